import { fail, messageOf, type Random } from '../../base/index.ts';
import type { Models, Served } from '../ports.ts';
import { Entry, type OpenedModel } from './entry.ts';
import { byVersion, type Found } from './find-versions.ts';

/** Weights by version; or the one of the newest, 0 to 1, whichever that is: a canary, beside the version before it that is known to be good. */
export type Shares = Readonly<Record<string, number>> | number;

/** Of versions in order, those that it takes: the newest, and who shares with it. */
export function withShare(versions: readonly string[], shares: Shares | undefined): Set<string> {
  if (typeof shares === 'number') return new Set(versions.slice(-2));
  return new Set(versions.filter((version, i) => i === versions.length - 1 || (shares?.[version] ?? 0) > 0));
}

export interface ShelfTools {
  open(found: Found): Promise<OpenedModel>;
  happened(kind: string, facts: Readonly<Record<string, unknown>>): void;
  readonly random: Random;
  readonly drainMs: number;
}

interface Slot {
  readonly version: string;
  entry: Entry | undefined;
  /** Of the files that the entry was opened from. */
  signature: string | undefined;
  loading: boolean;
  /** Why the last attempt to load it failed, and of what files. */
  failure: { readonly why: string; readonly signature: string } | undefined;
}

/** All versions of one model. */
export class Shelf {
  readonly name: string;
  shares: Shares | undefined;
  /** An operator took it away: it stays away until it is asked for. */
  unloaded = false;
  readonly #tools: ShelfTools;
  readonly #slots = new Map<string, Slot>();
  readonly #leaving = new Map<Entry, { version: string; gone: Promise<void> }>();

  constructor(name: string, tools: ShelfTools, shares?: Shares) {
    this.name = name;
    this.shares = shares;
    this.#tools = tools;
  }

  /** Versions that are there, the newest last. */
  versions(): string[] {
    return [...this.#slots.keys()].sort(byVersion);
  }

  /** See Models.lease. */
  lease(version?: string): { readonly served: Served; release(): void } {
    if (version !== undefined) {
      const slot = this.#slots.get(version);
      if (slot === undefined) {
        throw fail('MODEL_UNKNOWN', `"${this.name}" has no version "${version}"`, {
          model: this.name,
          version,
        });
      }
      return (slot.entry ?? this.#absent(slot)).lease();
    }
    const picked = this.#pick() ?? this.#newest();
    if (picked?.entry !== undefined) return picked.entry.lease();
    throw this.#notReady([...this.#slots.values()].at(-1));
  }

  /** True when it answers to who names no version, or was taken away on purpose. */
  get ready(): boolean {
    return this.unloaded || this.#newest() !== undefined;
  }

  index(): ReturnType<Models['index']>[number][] {
    const shares = this.#sharesNow();
    const rows = this.versions().map((version) => {
      const { entry, loading, failure } = this.#slots.get(version)!;
      const state = entry ? ('READY' as const) : loading ? ('LOADING' as const) : ('UNAVAILABLE' as const);
      const reason = failure
        ? entry
          ? `a newer form of it does not load: ${failure.why}`
          : failure.why
        : '';
      const share = shares.get(version) ?? 0;
      return { name: this.name, version, state, reason, share };
    });
    const leaving = [...this.#leaving].map(([{ leases }, { version }]) => ({
      ...{ name: this.name, version, state: 'UNLOADING' as const, share: 0 },
      reason: `${leases} requests are under way`,
    }));
    return [...rows, ...leaving];
  }

  /**
   * Makes it what was found: opens what is new or differs, and only then lets go of what is not wanted any more. What fails to load leaves
   * all that answered before. `again`: also what is the same. Returns the first failure.
   */
  async become(found: readonly Found[], again = false): Promise<unknown> {
    this.unloaded = false;
    let failure: unknown;
    for (const one of found) {
      const slot = this.#slots.get(one.version);
      const same = slot?.signature === one.signature && slot.entry !== undefined;
      const hopeless = slot?.failure?.signature === one.signature;
      if (!again && (same || hopeless)) continue;
      failure ??= await this.#load(one);
    }
    const wanted = new Set(found.map(({ version }) => version));
    if (failure !== undefined) return failure;
    for (const slot of [...this.#slots.values()]) {
      if (wanted.has(slot.version)) continue;
      this.#slots.delete(slot.version);
      this.#retire(slot);
    }
    return undefined;
  }

  /** Lets go of all; resolves when all are ended. */
  async clear(): Promise<void> {
    for (const slot of this.#slots.values()) this.#retire(slot);
    await this.settled();
  }

  /** Resolves when those that leave have ended. */
  async settled(): Promise<void> {
    await Promise.all([...this.#leaving.values()].map(({ gone }) => gone));
  }

  async #load(found: Found): Promise<unknown> {
    const { version, signature } = found;
    const slot: Slot = this.#slots.get(version) ?? {
      version,
      entry: undefined,
      signature: undefined,
      loading: false,
      failure: undefined,
    };
    this.#slots.set(version, slot);
    slot.loading = true;
    const start = performance.now();
    const facts = { model: this.name, version };
    try {
      const fresh = new Entry(await this.#tools.open(found));
      this.#retire(slot);
      slot.entry = fresh;
      slot.signature = signature;
      slot.failure = undefined;
      this.#tools.happened('model-loaded', { ...facts, ms: performance.now() - start });
      return undefined;
    } catch (cause) {
      slot.failure = { why: messageOf(cause), signature };
      this.#tools.happened('model-load-failed', { ...facts, error: messageOf(cause) });
      return cause;
    } finally {
      slot.loading = false;
    }
  }

  #retire(slot: Slot): void {
    const { entry, version } = slot;
    if (entry === undefined) return;
    slot.entry = undefined;
    const facts = { model: this.name, version };
    const gone = entry
      .retire(this.#tools.drainMs)
      .then(
        () => this.#tools.happened('model-unloaded', facts),
        (cause) => this.#tools.happened('model-unload-failed', { ...facts, error: messageOf(cause) }),
      )
      .then(() => void this.#leaving.delete(entry));
    this.#leaving.set(entry, { version, gone });
  }

  #newest(): Slot | undefined {
    return this.versions()
      .map((version) => this.#slots.get(version)!)
      .findLast(({ entry }) => entry !== undefined);
  }

  /** Shares of the versions that answer, summing up to 1. */
  #sharesNow(): Map<string, number> {
    const weights = Object.entries(this.#weights()).filter(
      ([version, weight]) => weight > 0 && this.#slots.get(version)?.entry !== undefined,
    );
    const sum = weights.reduce((all, [, weight]) => all + weight, 0);
    if (sum > 0) return new Map(weights.map(([version, weight]) => [version, weight / sum]));
    const newest = this.#newest();
    return new Map(newest === undefined ? [] : [[newest.version, 1]]);
  }

  #weights(): Readonly<Record<string, number>> {
    if (typeof this.shares !== 'number') return this.shares ?? {};
    const [newest, before] = this.versions()
      .filter((version) => this.#slots.get(version)?.entry !== undefined)
      .reverse();
    // Alone it gets all, whatever its share.
    if (newest === undefined || before === undefined) return {};
    return { [before]: 1 - this.shares, [newest]: this.shares };
  }

  #pick(): Slot | undefined {
    if (this.shares === undefined) return undefined;
    let left = this.#tools.random.uniform();
    let last: Slot | undefined;
    for (const [version, share] of this.#sharesNow()) {
      last = this.#slots.get(version);
      left -= share;
      if (left < 0) break;
    }
    return last;
  }

  #absent(slot: Slot): never {
    throw this.#notReady(slot);
  }

  #notReady(slot: Slot | undefined): Error {
    const why = this.unloaded ? 'it was unloaded' : (slot?.failure?.why ?? 'it is being loaded');
    return fail('MODEL_NOT_READY', `"${this.name}"${slot ? ` version "${slot.version}"` : ''}: ${why}`, {
      model: this.name,
    });
  }
}
