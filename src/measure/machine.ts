import { describeMachine } from '../run/index.ts';

let id: string | undefined;

/** The id of this machine, as records carry it. Described once. */
export function thisMachine(): string {
  id ??= describeMachine().id;
  return id;
}
