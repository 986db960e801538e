import { fail } from '../../base/index.ts';
import { Bucket } from './bucket.ts';
import { type KeyRecord, partsOfKey, proves } from './key.ts';

/** A request of a key, from its first byte until `leave`. */
export interface KeyUse {
  /** Name of the key. */
  readonly name: string;
  /** Counts the samples of the request against the key. Throws KEY_LIMITED. */
  charge(samples: number, now: number): void;
  /** It is over. Safe to call twice. */
  leave(): void;
}

interface Holder {
  record: KeyRecord;
  requests: Bucket | undefined;
  samples: Bucket | undefined;
  underWay: number;
}

/** The keys that a server knows, with what each has used of its limits. */
export class KeyRing {
  #holders: ReadonlyMap<string, Holder> = new Map();

  constructor(records: readonly KeyRecord[], now: number) {
    this.replace(records, now);
  }

  get size(): number {
    return this.#holders.size;
  }

  /** Other records from now on; what known keys have used of unchanged limits stays used. */
  replace(records: readonly KeyRecord[], now: number): void {
    const next = new Map<string, Holder>();
    for (const record of records) {
      const known = this.#holders.get(record.id);
      const { requestsPerSecond: requests, samplesPerSecond: samples, burst } = record;
      const same = known?.record;
      const keeps = same?.requestsPerSecond === requests && same?.burst === burst;
      next.set(record.id, {
        record,
        requests: keeps && known !== undefined ? known.requests : bucketOf(requests, now, burst),
        samples:
          known !== undefined && same?.samplesPerSecond === samples ? known.samples : bucketOf(samples, now),
        underWay: known?.underWay ?? 0,
      });
    }
    this.#holders = next;
  }

  /**
   * Lets the bearer of a key in. `now`: ms, for the limits; `date`: ms since 1970, for the end of keys. Throws KEY_REFUSED, KEY_LIMITED
   * (data.retryAfterMs).
   */
  enter(key: string | undefined, now: number, date: number): KeyUse {
    if (key === undefined) throw fail('KEY_REFUSED', 'the request has none');
    const parts = partsOfKey(key);
    const holder = parts === undefined ? undefined : this.#holders.get(parts.id);
    // Whether the id, the secret or the form is wrong is nobody's business.
    if (!proves(parts?.secret ?? '', holder?.record) || holder === undefined) {
      throw fail('KEY_REFUSED', 'it is none of those that this server knows');
    }
    const { expires, concurrent, name } = holder.record;
    if (expires !== undefined && date >= Date.parse(expires)) {
      throw fail('KEY_REFUSED', `it ended on ${expires}`);
    }
    if (concurrent !== undefined && holder.underWay >= concurrent) {
      throw fail('KEY_LIMITED', `${concurrent} requests are under way`, { retryAfterMs: 1000 });
    }
    const wait = holder.requests?.take(1, now) ?? 0;
    if (wait > 0) {
      throw fail('KEY_LIMITED', `more than ${holder.record.requestsPerSecond} requests a second`, {
        retryAfterMs: wait,
      });
    }
    holder.underWay += 1;
    return new Use(holder, name, () => this.#holders.get(holder.record.id) ?? holder);
  }
}

class Use implements KeyUse {
  readonly name: string;
  readonly #samples: Bucket | undefined;
  readonly #rate: number | undefined;
  readonly #current: () => Holder;
  #left = false;

  constructor(holder: Holder, name: string, current: () => Holder) {
    this.name = name;
    this.#samples = holder.samples;
    this.#rate = holder.record.samplesPerSecond;
    this.#current = current;
  }

  charge(samples: number, now: number): void {
    const wait = this.#samples?.take(samples, now) ?? 0;
    if (wait > 0) {
      throw fail('KEY_LIMITED', `more than ${this.#rate} samples a second`, { retryAfterMs: wait });
    }
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    // The records may have been replaced meanwhile: the count went over to the new holder.
    const holder = this.#current();
    holder.underWay = Math.max(0, holder.underWay - 1);
  }
}

function bucketOf(rate: number | undefined, now: number, burst?: number): Bucket | undefined {
  return rate === undefined ? undefined : new Bucket(rate, now, burst);
}
