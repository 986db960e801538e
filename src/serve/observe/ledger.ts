import type { Happened, Meter, Models, Observer } from '../ports.ts';
import { Ring } from './ring.ts';
import type { ModelNow } from './series.ts';
import { Tally } from './tally.ts';
import type { Tariff } from './tariff.ts';

/** Whoever asks for names that are not there shall not fill the memory, nor the labels of the metrics. */
export const UNKNOWN_MODEL = '(unknown)';
export const OTHER_KEYS = '(others)';
const MOST_KEYS = 1000;
/** Versions that a model is remembered by; hot reloads make new ones. */
const MOST_VERSIONS = 16;

/** One version of one model. */
export class ModelAccount {
  readonly name: string;
  readonly version: string;
  platform = '';
  /** Since it is known. */
  readonly total = new Tally();
  readonly ring = new Ring();
  /** Requests by protocol and status. */
  readonly answers = new Map<string, { protocol: string; code: string; requests: number }>();
  now: ModelNow | undefined;

  constructor(name: string, version: string) {
    this.name = name;
    this.version = version;
  }
}

export class KeyAccount {
  requests = 0;
  refused = 0;
  cpuSeconds = 0;
  joules = 0;
  dollars = 0;
}

type BatchDone = Parameters<Observer['batch']>[0];

/** Adds up what happens, by model and version and by key: what metrics, series and bills are read from. */
export class Ledger {
  readonly models = new Map<string, ModelAccount>();
  readonly keys = new Map<string, KeyAccount>();
  readonly #tariff: Tariff;
  readonly #second: () => number;
  #source: Models | undefined;

  /** `second`: seconds since 1970, whole. */
  constructor(tariff: Tariff, second: () => number) {
    this.#tariff = tariff;
    this.#second = second;
  }

  /** Whose models they are. */
  watch(models: Models): void {
    this.#source = models;
  }

  request(happened: Happened): ModelAccount {
    const { meter, status, totalMs } = happened;
    const account = this.#account(happened.model, meter?.version ?? happened.version);
    for (const tally of [account.total, account.ring.at(this.#second())]) {
      tally.requests += 1;
      tally.bytesIn += happened.bytesIn;
      tally.bytesOut += happened.bytesOut;
      if (status < 400) {
        tally.ok += 1;
        tally.totalMs += totalMs;
        tally.latency.add(totalMs);
        if (meter !== undefined) addMeter(tally, meter);
      } else {
        tally[isRefusal(status) ? 'refused' : 'failed'] += 1;
        tally.reason(happened.code ?? `HTTP_${status}`);
      }
    }
    this.#answer(account, happened.protocol, status);
    if (happened.key !== undefined) this.#bill(happened.key, status, meter);
    return account;
  }

  batch(done: BatchDone): ModelAccount {
    const account = this.#account(done.model, done.version);
    const joules = this.#tariff.joules(done.cpuSeconds) ?? 0;
    const dollars = this.#tariff.dollars(done.cpuSeconds) ?? 0;
    for (const tally of [account.total, account.ring.at(this.#second())]) {
      tally.batches += 1;
      tally.batched += done.size;
      tally.size(done.size);
      tally.computeMs += done.computeMs;
      tally.cpuSeconds += done.cpuSeconds;
      tally.joules += joules;
      tally.dollars += dollars;
    }
    return account;
  }

  /** Notes how the models stand at this moment. */
  look(): void {
    if (this.#source === undefined) return;
    const seen = new Set<ModelAccount>();
    for (const { name, version, state, reason, share } of this.#source.index()) {
      const account = this.#open(name, version);
      seen.add(account);
      const standing = state === 'READY' ? this.#standing(name, version, account) : undefined;
      account.now = { ...(standing ?? NOTHING), state, reason, share };
      const tally = account.ring.at(this.#second());
      tally.queued = Math.max(tally.queued, account.now.queued);
      tally.inFlight = Math.max(tally.inFlight, account.now.inFlight);
    }
    for (const account of this.models.values()) if (!seen.has(account)) account.now = undefined;
  }

  #standing(name: string, version: string, account: ModelAccount) {
    try {
      const { served, release } = this.#source!.lease(name, version);
      try {
        account.platform = served.platform;
        const { queued, inFlight, instances, goalMs, maxBatch, curve } = served.state();
        return { queued, inFlight, instances, goalMs, maxBatch, curve };
      } finally {
        release();
      }
    } catch {
      // It left between the index and the lease.
      return undefined;
    }
  }

  /** Names come from clients: only those that the server has get an account of their own. */
  #account(name: string, version: string): ModelAccount {
    const known = this.models.get(idOf(name, version));
    if (known !== undefined) return known;
    const there = this.#source?.index().filter((row) => row.name === name) ?? [];
    if (there.length === 0) return this.#open(UNKNOWN_MODEL, '');
    return this.#open(name, there.some((row) => row.version === version) ? version : '');
  }

  #open(name: string, version: string): ModelAccount {
    const id = idOf(name, version);
    let account = this.models.get(id);
    if (account === undefined) {
      const own = [...this.models.values()].filter((other) => other.name === name);
      const gone = own.find((other) => other.now === undefined) ?? own[0];
      if (own.length >= MOST_VERSIONS && gone !== undefined) this.models.delete(idOf(name, gone.version));
      account = new ModelAccount(name, version);
      this.models.set(id, account);
    }
    return account;
  }

  #answer(account: ModelAccount, protocol: string, status: number): void {
    const code = String(status);
    const key = `${protocol} ${code}`;
    const found = account.answers.get(key);
    if (found) found.requests += 1;
    else account.answers.set(key, { protocol, code, requests: 1 });
  }

  #bill(key: string, status: number, meter: Meter | undefined): void {
    const name = this.keys.has(key) || this.keys.size < MOST_KEYS ? key : OTHER_KEYS;
    let account = this.keys.get(name);
    if (account === undefined) {
      account = new KeyAccount();
      this.keys.set(name, account);
    }
    account.requests += 1;
    if (status >= 400) account.refused += 1;
    if (meter === undefined) return;
    account.cpuSeconds += meter.cpuSeconds;
    account.joules += this.#tariff.joules(meter.cpuSeconds) ?? 0;
    account.dollars += this.#tariff.dollars(meter.cpuSeconds) ?? 0;
  }
}

function addMeter(tally: Tally, meter: Meter): void {
  tally.samples += meter.samples;
  tally.queueMs += meter.queueMs;
  tally.queue.add(meter.queueMs);
  if (meter.exit !== undefined) tally.exit(meter.exit, meter.samples);
  if (meter.cached) tally.cached += 1;
  if (meter.retried) tally.retried += 1;
}

const idOf = (name: string, version: string) => `${name}\u0000${version}`;

/** Told to the client in time that it gets no answer, for a reason that is its own or that time will heal. */
const isRefusal = (status: number) => status < 500 || status === 503 || status === 504;

const NOTHING = { queued: 0, inFlight: 0, instances: 0, goalMs: 0, maxBatch: 0, curve: [] } as const;
