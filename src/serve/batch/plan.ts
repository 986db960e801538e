import { capOf, doneAfter, form } from './form.ts';
import type { Entry, Group, Work } from './work.ts';

/** When a lane is free: the time expected, and how unsure it is, ms squared. */
export interface LaneFree {
  readonly at: number;
  readonly variance: number;
}

/** What is expected of the time to come. */
export interface Outlook {
  /** Samples a ms. */
  readonly rate: number;
  /** ms that requests have from their arrival to their deadline, typically. */
  readonly slack: number;
  /** How much of the margins is kept: see Care. */
  readonly care: number;
  /** ms that a batch may take. */
  readonly mostMs: number;
  /** By how much all takes longer for the fresh, because more urgent requests will come meanwhile. */
  readonly slower: number;
}

export interface Plan<T extends Work> {
  /** Entries that are done in time. */
  readonly onTime: ReadonlySet<Entry<T>>;
  /** ms by which the latest of the fresh is late; not above 0: all are in time. */
  readonly lateBy: number;
}

/**
 * Plays what is in line through to the end: batches formed as they will be, on lanes that become free, each taking what the curve says.
 * Fresh work counts as late also where it is in time only because its batch is kept small: if so many arrive that the batch would be filled
 * without it, it would cost more answers than it is. `only`: stop when the fresh are placed.
 */
export function plan<T extends Work>(
  line: readonly Entry<T>[],
  lanes: readonly LaneFree[],
  now: number,
  outlook: Outlook,
  { fresh = 0, without = new Set<Entry<T>>(), stop = false } = {},
): Plan<T> {
  const free = lanes.map(({ at, variance }) => ({ at: Math.max(at, now), variance }));
  const placed = new Uint8Array(line.length);
  const onTime = new Set<Entry<T>>();
  let [from, left] = [0, fresh];
  let lateBy = Number.NEGATIVE_INFINITY;
  const taken = (entry: Entry<T>, at: number) => placed[at] === 1 || without.has(entry);
  for (;;) {
    while (from < line.length && taken(line[from]!, from)) from++;
    const lane = earliest(free);
    const formed = form(line, taken, from, lane.at, lane.variance, outlook);
    if (formed === undefined) break;
    const { group, members, places, samples } = formed;
    const { at: start, variance } = lane;
    const end = start + doneAfter(group, samples, variance, outlook.care);
    const grown = joinedBy(group, samples, outlook, start - now);
    const joined = start + doneAfter(group, grown, variance, outlook.care);
    const others = members.reduce(
      (least, { work, fresh }) => (fresh ? least : Math.min(least, work.deadline)),
      Number.POSITIVE_INFINITY,
    );
    for (const at of places) placed[at] = 1;
    for (const entry of members) {
      const { deadline } = entry.work;
      if (end <= deadline) onTime.add(entry);
      if (!entry.fresh) continue;
      left--;
      const done = Math.min(joined, Math.max(end, others));
      lateBy = Math.max(lateBy, now + (done - now) * outlook.slower - deadline);
    }
    if (stop && left === 0) break;
    lane.at = start + group.curve.mean(samples);
    lane.variance = variance + group.curve.margin(samples) ** 2;
  }
  return { onTime, lateBy };
}

function earliest<L extends LaneFree>(lanes: readonly L[]): L {
  let first = lanes[0]!;
  for (const lane of lanes) if (lane.at < first.at) first = lane;
  return first;
}

/**
 * Samples that a batch will have when it starts in `wait` ms: those that will have joined. No more than the size at which the
 * last to come in time for it and the first to be in it meet their deadlines: n / rate + t(n) = slack.
 */
function joinedBy(group: Group, samples: number, { rate, slack, care }: Outlook, wait: number): number {
  const cap = capOf(group);
  const joined = Math.min(cap, Math.floor(samples + rate * wait));
  if (joined <= samples) return samples;
  let [low, high] = [samples, joined];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (middle / rate + doneAfter(group, middle, 0, care) <= slack) low = middle;
    else high = middle - 1;
  }
  return low;
}
