export { openRemote } from './remote.ts';
