export type { Feeds, Fetches, Port, RunOptions, Session } from './session.ts';
