import type { Entry, Group, Work } from './work.ts';

/** A batch as it would be formed. */
export interface Formed<T extends Work> {
  readonly group: Group;
  readonly members: readonly Entry<T>[];
  /** Where they stand in the line. */
  readonly places: readonly number[];
  readonly samples: number;
  /** The earliest deadline that it can meet and must. */
  readonly until: number;
  /** More would have been there, but for a deadline. */
  readonly limited: boolean;
}

/** Samples that a batch of a group is best closed at: more would be no faster, or is not allowed. */
export const capOf = ({ curve, maxBatch }: Group): number => Math.min(maxBatch, curve.best(maxBatch));

/**
 * ms from the start of a batch to when it is done for sure enough. `variance`: of the start, ms squared; `care`: 1 for the margin of the
 * curve, 0 for none.
 */
export function doneAfter({ curve }: Group, samples: number, variance = 0, care = 1): number {
  return curve.mean(samples) + care * Math.sqrt(variance + curve.margin(samples) ** 2);
}

/**
 * The batch that starts at `start`: the first in line, and those after it of the same group, as many as are best together and as let all
 * deadlines be met. Whose deadline cannot be met even alone does not hold the others back: it rides along where it costs them nothing.
 * `taken`: entries that are not there any more; `mostMs`: what a batch may take, so that requests which have little time are not shut out by
 * one that is long because its own have much.
 */
export function form<T extends Work>(
  line: readonly Entry<T>[],
  taken: (entry: Entry<T>, at: number) => boolean,
  from: number,
  start: number,
  variance: number,
  { care, mostMs }: { readonly care: number; readonly mostMs: number },
): Formed<T> | undefined {
  let group: Group | undefined;
  let cap = 0;
  const members: Entry<T>[] = [];
  const places: number[] = [];
  let samples = 0;
  let until = Number.POSITIVE_INFINITY;
  let limited = false;
  for (let at = from; at < line.length; at++) {
    const entry = line[at]!;
    if (taken(entry, at)) continue;
    const { work } = entry;
    if (group === undefined) {
      group = work.group;
      cap = Math.max(work.samples, capOf(group));
    } else if (work.group !== group) continue;
    const size = samples + work.samples;
    if (size > cap || (samples > 0 && group.curve.high(size) > mostMs)) break;
    const rides = start + doneAfter(group, work.samples, variance, care) > work.deadline;
    const bound = rides ? until : Math.min(until, work.deadline);
    if (samples > 0 && start + doneAfter(group, size, variance, care) > bound) {
      limited = true;
      break;
    }
    members.push(entry);
    places.push(at);
    samples = size;
    until = bound;
    if (size === cap) break;
  }
  return group === undefined ? undefined : { group, members, places, samples, until, limited };
}
