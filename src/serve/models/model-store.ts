import { fail, messageOf, Random } from '../../base/index.ts';
import type { Models } from '../ports.ts';
import type { OpenedModel } from './entry.ts';
import { type Found, findVersions, type Place } from './find-versions.ts';
import { type Shares, Shelf, type ShelfTools, withShare } from './shelf.ts';

export interface ModelStoreOptions {
  readonly places: readonly Place[];
  /** Opens and warms what was found; it answers from then on. */
  readonly open: (found: Found) => Promise<OpenedModel>;
  /** Which versions of a model are open: the newest (and those with a share), or all. Default: latest. */
  readonly versions?: 'latest' | 'all';
  /** By model: who answers those that ask for no version. Default: the newest. */
  readonly shares?: Readonly<Record<string, Shares>>;
  /** ms between two looks for what has changed on disk; two must see the same before it is loaded. Default: no looks. */
  readonly pollMs?: number;
  /** ms that a version which leaves waits for its requests. Default 60 s. */
  readonly drainMs?: number;
  /** A model that does not load at the start is no error: the others are served. */
  readonly tolerant?: boolean;
  /** Of the choice by shares. */
  readonly seed?: number;
  readonly onEvent?: (kind: string, facts: Readonly<Record<string, unknown>>) => void;
}

/**
 * The models of a server, by name and version, open and answering. What changes is opened first and swapped then: whoever holds a lease
 * is answered by what they have, and what left is ended when nobody uses it.
 */
export class ModelStore implements Models {
  readonly #options: ModelStoreOptions;
  readonly #tools: ShelfTools;
  readonly #shelves = new Map<string, Shelf>();
  /** What the last look saw, by model. */
  #seen = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  #closed: Promise<void> | undefined;

  private constructor(options: ModelStoreOptions) {
    this.#options = options;
    this.#tools = {
      open: options.open,
      happened: (kind, facts) => options.onEvent?.(kind, facts),
      random: new Random(options.seed ?? 1),
      drainMs: options.drainMs ?? 60_000,
    };
  }

  /** Loads all models. Throws what opening throws unless `tolerant`, FILE_NOT_FOUND, SERVER_CONFIG_INVALID (two models of one name). */
  static async open(options: ModelStoreOptions): Promise<ModelStore> {
    const store = new ModelStore(options);
    const found = await store.#find();
    if (found.size === 0 && options.tolerant !== true) {
      throw fail(
        'SERVER_CONFIG_INVALID',
        `no model lies at ${options.places.map(({ path }) => path).join(', ')}`,
      );
    }
    const failures = await Promise.all([...found].map(([name, versions]) => store.#become(name, versions)));
    const failure = failures.find((one) => one !== undefined);
    if (failure !== undefined && options.tolerant !== true) {
      await store.close();
      throw failure;
    }
    store.#seen = seenOf(found);
    store.#look();
    return store;
  }

  names(): readonly string[] {
    return [...this.#shelves.keys()].sort();
  }

  versions(name: string): readonly string[] {
    return this.#shelf(name).versions();
  }

  lease(name: string, version?: string): ReturnType<Models['lease']> {
    if (this.#closed !== undefined) throw fail('SERVER_CLOSING', 'its models are closed');
    return this.#shelf(name).lease(version);
  }

  ready(): boolean {
    return !this.#draining && [...this.#shelves.values()].every((shelf) => shelf.ready);
  }

  index(): ReturnType<Models['index']> {
    return this.names().flatMap((name) => this.#shelves.get(name)!.index());
  }

  /**
   * Loads what lies on disk for a model now; what is open and the same stays, unless `again`. Throws MODEL_UNKNOWN, and why it does not
   * load: what answered before then goes on.
   */
  load(name: string, again = false): Promise<void> {
    return this.#inTurn(async () => {
      const found = (await this.#find()).get(name);
      if (found === undefined) throw this.#unknown(name);
      const failure = await this.#become(name, found, again);
      if (failure !== undefined) throw failure;
    });
  }

  /** Takes a model away until it is loaded again; resolves when its requests are answered. Throws MODEL_UNKNOWN. */
  async unload(name: string): Promise<void> {
    const shelf = this.#shelf(name);
    await this.#inTurn(async () => {
      shelf.unloaded = true;
      await shelf.clear();
    });
  }

  /** Changes who answers: see `shares`; undefined: the newest. Opens what it takes. Throws as `load`. */
  async setShares(name: string, shares: Shares | undefined): Promise<void> {
    const shelf = this.#shelf(name);
    const before = shelf.shares;
    shelf.shares = shares;
    try {
      await this.load(name);
    } catch (cause) {
      shelf.shares = before;
      throw cause;
    }
  }

  /** One look at the disk, as every `pollMs`: what has changed is loaded, what is gone is unloaded. Failures are events. */
  poll(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed !== undefined) return;
      let found: Map<string, Found[]>;
      try {
        found = await this.#find();
      } catch (cause) {
        this.#tools.happened('models-not-found', { error: messageOf(cause) });
        return;
      }
      const seen = seenOf(found);
      for (const [name, versions] of found) {
        // Files may be half written: they must have been the same at the last look.
        const settled = this.#seen.get(name) === seen.get(name);
        if (settled && this.#shelves.get(name)?.unloaded !== true) await this.#become(name, versions);
      }
      for (const [name, shelf] of this.#shelves) {
        if (found.has(name) || this.#seen.has(name)) continue;
        this.#shelves.delete(name);
        void shelf.clear();
      }
      this.#seen = seen;
    });
  }

  /** Not ready any more, but all requests are still answered: load balancers shall look elsewhere first. */
  drain(): void {
    this.#draining = true;
  }

  /** Nobody gets a lease any more; resolves when all requests are answered (or `drainMs` are over) and all is ended. */
  close(): Promise<void> {
    this.#draining = true;
    clearTimeout(this.#timer);
    this.#closed ??= this.#inTurn(async () => {
      await Promise.all([...this.#shelves.values()].map((shelf) => shelf.clear()));
    });
    return this.#closed;
  }

  #shelf(name: string): Shelf {
    const shelf = this.#shelves.get(name);
    if (shelf === undefined) throw this.#unknown(name);
    return shelf;
  }

  #unknown(name: string): Error {
    return fail('MODEL_UNKNOWN', `"${name}"; there are ${this.names().join(', ') || 'none'}`, {
      model: name,
    });
  }

  #become(name: string, found: readonly Found[], again = false): Promise<unknown> {
    let shelf = this.#shelves.get(name);
    if (shelf === undefined) {
      shelf = new Shelf(name, this.#tools, this.#options.shares?.[name]);
      this.#shelves.set(name, shelf);
    }
    const all = this.#options.versions === 'all';
    const taken = withShare(
      found.map(({ version }) => version),
      shelf.shares,
    );
    const wanted = found.filter(({ version }) => all || taken.has(version));
    return shelf.become(wanted, again);
  }

  async #find(): Promise<Map<string, Found[]>> {
    const found = new Map<string, Found[]>();
    const places = await Promise.all(this.#options.places.map((place) => findVersions(place)));
    for (const [i, versions] of places.entries()) {
      for (const one of versions) {
        const others = found.get(one.name) ?? [];
        if (others.some(({ version }) => version === one.version)) {
          const where = this.#options.places[i]!.path;
          throw fail('SERVER_CONFIG_INVALID', `two models are called "${one.name}", one of them at ${where}`);
        }
        found.set(one.name, [...others, one]);
      }
    }
    return found;
  }

  /** One after the other: what is loaded and what leaves must not overtake each other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #look(): void {
    const { pollMs } = this.#options;
    if (pollMs === undefined) return;
    this.#timer = setTimeout(() => {
      void this.poll().finally(() => {
        if (this.#closed === undefined) this.#look();
      });
    }, pollMs);
    this.#timer.unref();
  }
}

const seenOf = (found: ReadonlyMap<string, readonly Found[]>): Map<string, string> =>
  new Map([...found].map(([name, all]) => [name, JSON.stringify(all)]));
