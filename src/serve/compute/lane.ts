import { fail, type ModicumError } from '../../base/index.ts';
import { Child, type ChildRun, type Opened } from './child-process.ts';
import type { ChildModel } from './messages.ts';
import type { ProcessSettings } from './process-options.ts';
import { zerosFor } from './zeros.ts';

const LONGEST_BACKOFF = 5000;
/** Runs until the memory of a process is taken for what it needs. */
const SETTLED_AFTER = 64;
const LEAST_GROWTH = 512 * 2 ** 20;
/** ms between two replacements for memory or age: a bound that is too low must not make nothing but fresh processes. */
const LEAST_LIFE = 5000;

export interface LaneEvents {
  /** There is room for a run, or none will ever be. */
  changed(): void;
  /** These have to be computed elsewhere; the first was under way, if `begun`. */
  returned(runs: ChildRun[], begun: boolean, why: ModicumError): void;
  happened(kind: string, facts: Readonly<Record<string, unknown>>): void;
}

export type LaneState = 'ready' | 'starting' | 'given-up' | 'closed';

/** One instance of a model: a process, the one that follows it when it dies or grows too large, and the rules for both. */
export class Lane {
  readonly opened: Opened;
  /** Why there is none at present. */
  why: ModicumError | undefined;
  restarts = 0;
  recycled = 0;
  readonly #model: ChildModel;
  readonly #settings: ProcessSettings;
  readonly #events: LaneEvents;
  /** Those that still finish what they have, after they were replaced. */
  readonly #leaving = new Set<Child>();
  #child: Child | undefined;
  #bringing = false;
  #timer: NodeJS.Timeout | undefined;
  /** In a row, without a good run of its own: how long it waits before the next try. */
  #crashes = 0;
  /** Without a good run of any instance: when to give up. */
  #hopeless = 0;
  #givenUp = false;
  #closed = false;
  #warm: boolean;
  #runs = 0;
  #bornAt = performance.now();
  #settledRss: number | undefined;

  private constructor(
    child: Child,
    opened: Opened,
    model: ChildModel,
    settings: ProcessSettings,
    events: LaneEvents,
  ) {
    this.opened = opened;
    this.#model = model;
    this.#settings = settings;
    this.#events = events;
    this.#warm = settings.warm;
    this.#put(child);
  }

  /** Throws what `openSession` throws. */
  static async open(model: ChildModel, settings: ProcessSettings, events: LaneEvents): Promise<Lane> {
    const { child, opened } = await Child.open(model, settings);
    const lane = new Lane(child, opened, model, settings, events);
    if (lane.#warm && !(await warmed(child, opened))) {
      // A model that zeros kill may still be good for what it is meant for.
      lane.#warm = false;
    }
    return lane;
  }

  get state(): LaneState {
    if (this.#closed) return 'closed';
    if (this.#child !== undefined) return 'ready';
    return this.#givenUp ? 'given-up' : 'starting';
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get rss(): number {
    return this.#child?.rss ?? 0;
  }

  get inFlight(): number {
    return this.#child?.inFlight ?? 0;
  }

  get head(): ChildRun | undefined {
    return this.#child?.head;
  }

  run(run: ChildRun): void {
    this.#runs++;
    this.#child!.run(run);
  }

  /** A run has come back as it should. */
  succeeded(): void {
    this.#crashes = 0;
    const due = this.#due();
    if (due === undefined || this.#bringing) return;
    this.#events.happened('worker-recycled', { pid: this.pid, why: due, runs: this.#runs, rss: this.rss });
    this.recycled++;
    void this.#bring();
  }

  /** A run has come back at some instance: whatever ends this one, it is not that the model cannot run. */
  hope(): void {
    this.#hopeless = 0;
    this.#givenUp = false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const all = [...this.#leaving, ...(this.#child ? [this.#child] : [])];
    this.#child = undefined;
    await Promise.all(all.map((child) => child.end()));
  }

  /** Why the process should be replaced, if it should. */
  #due(): string | undefined {
    const { runs, ageMs, growthBytes } = this.#settings.recycle;
    const child = this.#child;
    if (child === undefined) return undefined;
    if (runs !== undefined && this.#runs >= runs) return `it has computed ${this.#runs} runs`;
    if (this.#runs >= SETTLED_AFTER && child.rss > 0) this.#settledRss ??= child.rss;
    const age = performance.now() - this.#bornAt;
    if (age < LEAST_LIFE) return undefined;
    if (ageMs !== undefined && age > ageMs) return `it is ${Math.round(age / 1000)} s old`;
    if (this.#settledRss === undefined) return undefined;
    const grown = child.rss - this.#settledRss;
    return grown > (growthBytes ?? Math.max(LEAST_GROWTH, this.#settledRss))
      ? `its memory has grown by ${grown} bytes`
      : undefined;
  }

  /** Opens a fresh process, and puts it in the place of the one that is there, if one is. */
  async #bring(): Promise<void> {
    this.#bringing = true;
    let fresh: Child;
    try {
      const { child, opened } = await Child.open(this.#model, this.#settings);
      fresh = child;
      if (this.#warm && !(await warmed(child, opened))) {
        throw fail('WORKER_CRASHED', 'it died while it was warmed');
      }
    } catch (cause) {
      this.#bringing = false;
      // The one that was to be replaced goes on, and may ask again in a while.
      if (this.#child !== undefined) this.#bornAt = performance.now();
      else this.#fell(cause as ModicumError);
      return;
    }
    this.#bringing = false;
    if (this.#closed) {
      await fresh.end();
      return;
    }
    this.#leave(this.#child);
    this.#put(fresh);
    this.#events.changed();
  }

  #put(child: Child): void {
    this.#child = child;
    this.#givenUp = false;
    this.why = undefined;
    this.#runs = 0;
    this.#bornAt = performance.now();
    this.#settledRss = undefined;
    child.onCrash = (why, runs) => {
      this.#leaving.delete(child);
      const current = this.#child === child;
      if (current) this.#child = undefined;
      this.#events.happened('worker-died', { pid: child.pid, why: why.message, runs: runs.length });
      if (current && !this.#closed) this.#fell(why);
      this.#events.returned(runs, runs.length > 0, why);
    };
  }

  #leave(child: Child | undefined): void {
    if (child === undefined) return;
    this.#leaving.add(child);
    const look = () => {
      if (!this.#leaving.has(child)) return;
      if (child.inFlight > 0) setTimeout(look, 20);
      else {
        this.#leaving.delete(child);
        void child.end();
      }
    };
    look();
  }

  /** It is down: up again, later each time, and much later after too many times. */
  #fell(why: ModicumError): void {
    if (this.#closed) return;
    this.why = why;
    this.#crashes++;
    this.#hopeless++;
    this.restarts++;
    const { mostCrashes, backoffMs, probationMs } = this.#settings;
    let wait = this.#crashes === 1 ? 0 : Math.min(LONGEST_BACKOFF, backoffMs * 2 ** (this.#crashes - 2));
    if (this.#hopeless >= mostCrashes) {
      if (!this.#givenUp) {
        this.#events.happened('worker-given-up', { crashes: this.#hopeless, why: why.message });
      }
      this.#givenUp = true;
      wait = probationMs;
    }
    this.#events.changed();
    if (this.#bringing) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#bring(), wait);
    if (this.#givenUp) this.#timer.unref();
  }
}

/** Whether a fresh process outlives its first run. What the runtime says to zeros does not matter. */
async function warmed(child: Child, opened: Opened): Promise<boolean> {
  const feeds = zerosFor(opened.inputs);
  if (feeds === undefined) return true;
  const before = child.onCrash;
  const alive = await new Promise<boolean>((resolve) => {
    child.onCrash = (why, runs) => {
      before?.(why, runs.slice(1));
      resolve(false);
    };
    child.run({ feeds, settle: () => resolve(true) });
  });
  if (alive) child.onCrash = before;
  return alive;
}
