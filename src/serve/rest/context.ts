import type { IncomingMessage } from 'node:http';
import type { Door, Guest } from '../door/door.ts';
import type { JsonThreads } from './json-threads.ts';
import type { Management, RestLimits } from './options.ts';
import type { Pace } from './pace.ts';

/** Who was let in with a request, and when it came (performance.now()). */
export interface Visit {
  readonly guest: Guest;
  readonly arrival: number;
}

/** What the routes work with. */
export interface Context {
  readonly door: Door;
  readonly limits: RestLimits;
  readonly pace: Pace;
  readonly threads: JsonThreads;
  readonly visits: WeakMap<IncomingMessage, Visit>;
  readonly management: Management | undefined;
  /** Whether the server has been ready once. */
  readonly started: () => boolean;
}
