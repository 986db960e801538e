import { fail } from '../base/index.ts';
import type { Blame } from './blame.ts';
import { shown } from './datatypes.ts';
import { countOf, flagOf, type Parameters, parameterOf } from './parameters.ts';

/** What the parameters of a request ask of the scheduler, in Triton's names: schedule policy and sequences. */
export interface Asking {
  /** 1 is the most urgent, 0 the model's default. */
  readonly priority?: number;
  /** How long the request may wait and be computed, microseconds. */
  readonly timeoutUs?: number;
  /** A stream, whose state lives between `start` and `end`. */
  readonly sequence?: { readonly id: string; readonly start: boolean; readonly end: boolean };
}

/** Throws `blame`. A sequence id of 0 or "" is none. */
export function readAsking(parameters: Parameters, blame: Blame): Asking {
  const where = 'the request';
  const id = parameterOf(parameters, 'sequence_id');
  const whole = Number.isSafeInteger(id) && (id as number) >= 0;
  if (id !== undefined && typeof id !== 'string' && !whole) {
    throw fail(
      blame,
      `${where}: parameter sequence_id is ${shown(id)}; it must be a string or a whole number from 0 up`,
    );
  }
  const start = flagOf(parameters, 'sequence_start', where, blame) ?? false;
  const end = flagOf(parameters, 'sequence_end', where, blame) ?? false;
  const none = id === undefined || id === '' || id === 0;
  if (none && (start || end)) throw fail(blame, `${where}: a sequence starts or ends without a sequence_id`);
  const priority = countOf(parameters, 'priority', where, blame);
  const timeoutUs = countOf(parameters, 'timeout', where, blame);
  return {
    ...(priority !== undefined && { priority }),
    // 0 is Triton's word for none.
    ...(timeoutUs !== undefined && timeoutUs > 0 && { timeoutUs }),
    ...(!none && { sequence: { id: String(id), start, end } }),
  };
}

/** The other way. */
export function askingParameters({ priority, timeoutUs, sequence }: Asking): Parameters {
  return {
    ...(priority !== undefined && { priority }),
    ...(timeoutUs !== undefined && { timeout: Math.max(1, Math.round(timeoutUs)) }),
    ...(sequence !== undefined && {
      sequence_id: sequence.id,
      sequence_start: sequence.start,
      sequence_end: sequence.end,
    }),
  };
}
