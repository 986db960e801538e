import type { Events } from './events.ts';
import type { Ledger, ModelAccount } from './ledger.ts';
import { KEPT } from './ring.ts';
import type {
  KeyTotal,
  LiveModel,
  LiveSecond,
  ModelNow,
  ModelPoints,
  ModelSeries,
  ModelTotal,
  SeriesDocument,
  ServerFacts,
} from './series.ts';
import { type Known, POINT, short, Tally } from './tally.ts';

const MOST_STEP = 60;
const MOST_KEYS = 100;

/** What the documents are made of. */
export interface Books {
  readonly ledger: Ledger;
  readonly events: Events;
  readonly known: Known;
  /** Facts of the server at this moment. */
  facts(): ServerFacts;
}

export interface Window {
  /** Seconds a point, 1 to 60. */
  readonly step: number;
  /** Seconds in all, at most 900. */
  readonly seconds: number;
}

/** The window that a query asks for; whatever is no number or out of bounds becomes the nearest that can be. */
export function windowOf(query: { step?: unknown; seconds?: unknown }): Window {
  const whole = (value: unknown, least: number, most: number, fallback: number) => {
    const number = Math.floor(Number(value ?? fallback));
    return Number.isFinite(number) ? Math.min(most, Math.max(least, number)) : fallback;
  };
  const step = whole(query.step, 1, MOST_STEP, 1);
  return { step, seconds: whole(query.seconds, step, KEPT, KEPT) };
}

/** The series up to second `now`, which is not over yet and not in it. */
export function seriesDocument(books: Books, { step, seconds }: Window, now: number): SeriesDocument {
  // Points begin at multiples of the step, so that two answers can be laid on top of each other.
  const end = Math.floor(now / step) * step;
  const points = Math.floor(seconds / step);
  const times = Array.from({ length: points }, (_, i) => end - (points - i) * step);
  return {
    schema: 1,
    server: books.facts(),
    step,
    times,
    models: accountsOf(books.ledger).map((account) => modelSeries(account, times, step, books.known)),
    keys: keyTotals(books),
    events: books.events.all(),
  };
}

/** The second before `now`. */
export function liveSecond(books: Books, now: number): LiveSecond {
  const time = now - 1;
  return {
    time,
    server: books.facts(),
    models: accountsOf(books.ledger).map((account) => liveModel(account, time, books.known)),
    keys: keyTotals(books),
    events: books.events.between(time, now),
  };
}

/** Those that are there, and what has left as long as it has something to show. */
function accountsOf(ledger: Ledger): ModelAccount[] {
  return [...ledger.models.values()].filter(({ now, total }) => now !== undefined || total.requests > 0);
}

function modelSeries(
  account: ModelAccount,
  times: readonly number[],
  step: number,
  known: Known,
): ModelSeries {
  const tallies = times.map((time) => account.ring.between(time, time + step));
  const whole = new Tally();
  for (const tally of tallies) whole.merge(tally);
  const stages = account.total.exits.length;
  return {
    ...headOf(account),
    points: columns(tallies, known),
    exits: Array.from({ length: stages }, (_, stage) => tallies.map(({ exits }) => exits[stage] ?? 0)),
    batchSizes: sizesOf(whole),
    latencies: whole.latency.rows().map(({ upTo, count }) => ({ upTo: short(upTo)!, requests: count })),
    reasons: [...whole.reasons]
      .map(([code, requests]) => ({ code, requests }))
      .sort((a, b) => b.requests - a.requests),
    total: totalOf(account, known),
  };
}

function liveModel(account: ModelAccount, time: number, known: Known): LiveModel {
  const tally = account.ring.between(time, time + 1);
  const point = Object.fromEntries(
    Object.entries(POINT).map(([column, read]) => [column, read(tally, known)]),
  );
  const stages = account.total.exits.length;
  return {
    ...headOf(account),
    point: point as LiveModel['point'],
    exits: Array.from({ length: stages }, (_, stage) => tally.exits[stage] ?? 0),
    batchSizes: sizesOf(tally),
    total: totalOf(account, known),
  };
}

function columns(tallies: readonly Tally[], known: Known): ModelPoints {
  const made: Record<string, readonly (number | null)[]> = {};
  for (const [column, read] of Object.entries(POINT))
    made[column] = tallies.map((tally) => read(tally, known));
  return made as { [Column in keyof ModelPoints]: number[] };
}

const GONE: ModelNow = {
  state: 'UNAVAILABLE',
  reason: 'not there any more',
  share: 0,
  queued: 0,
  inFlight: 0,
  instances: 0,
  goalMs: 0,
  maxBatch: 0,
  curve: [],
};

function headOf({ name, version, platform, now }: ModelAccount) {
  return { name, version, platform, now: now ?? GONE };
}

function sizesOf({ sizes }: Tally) {
  return [...sizes].map(([size, batches]) => ({ size, batches })).sort((a, b) => a.size - b.size);
}

function totalOf({ total }: ModelAccount, known: Known): ModelTotal {
  const { requests, ok, refused, failed, samples, batches, cached, cpuSeconds, joules, dollars } = total;
  return {
    requests,
    ok,
    refused,
    failed,
    samples,
    batches,
    cached,
    cpuSeconds: short(cpuSeconds)!,
    joules: known.joules ? short(joules) : null,
    dollars: known.dollars ? short(dollars) : null,
  };
}

function keyTotals({ ledger, known }: Books): KeyTotal[] {
  const all = [...ledger.keys].map(([key, account]) => ({ key, ...account }));
  all.sort((a, b) => b.cpuSeconds - a.cpuSeconds || b.requests - a.requests);
  const shown = all.slice(0, MOST_KEYS);
  const rest = all.slice(MOST_KEYS);
  if (rest.length > 0) {
    const sum = (read: (of: (typeof all)[number]) => number) => rest.reduce((to, of) => to + read(of), 0);
    shown.push({
      key: '(others)',
      requests: sum(({ requests }) => requests),
      refused: sum(({ refused }) => refused),
      cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
      joules: sum(({ joules }) => joules),
      dollars: sum(({ dollars }) => dollars),
    });
  }
  return shown.map(({ key, requests, refused, cpuSeconds, joules, dollars }) => ({
    key,
    requests,
    refused,
    cpuSeconds: short(cpuSeconds)!,
    joules: known.joules ? short(joules) : null,
    dollars: known.dollars ? short(dollars) : null,
  }));
}
