import type { LiveSecond, SeriesDocument } from '../../../src/serve/observe/series.ts';
import { askJson, Refused } from '../server/ask.ts';
import { events } from '../server/events.ts';
import { advanced, type Snapshot, snapshotOf } from './snapshot.ts';

const SERIES = 'v2/modicum/series';
const LIVE = 'v2/modicum/live';
/** ms without an event after which the stream is given up: something between holds it back. */
const SILENT = 6000;
/** ms between two looks at what only documents tell: histograms of the window. */
const LOOKED_EVERY = 3000;
/** Points of such a document: it is asked for its histograms. */
const LOOKED_POINTS = 60;
const POLLED_EVERY = 2000;
const LONGEST_WAIT = 15_000;

export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** Asked every two seconds, since no stream came through. */
  | { readonly kind: 'polled' }
  | { readonly kind: 'lost'; readonly why: string }
  /** The server asks for a key, or does not take the one that it got. */
  | { readonly kind: 'locked'; readonly why: string };

export interface FeedState {
  readonly link: Link;
  readonly snapshot: Snapshot | undefined;
  /** The document of the window that is watched: batch sizes, latencies and reasons of all of it. */
  readonly past: SeriesDocument | undefined;
}

/** Keeps the newest snapshot of the server, whatever becomes of the connection, until `stop`. */
export class Feed {
  state: FeedState = { link: { kind: 'connecting' }, snapshot: undefined, past: undefined };
  readonly #listeners = new Set<() => void>();
  #stopped = new AbortController();
  #seconds = 300;
  #lookedAt = Number.NEGATIVE_INFINITY;

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.stop();
    this.#stopped = new AbortController();
    void this.#keep(this.#stopped.signal);
  }

  /** Says how many seconds are watched. */
  watch(seconds: number): void {
    this.#seconds = seconds;
    if (this.state.snapshot !== undefined) void this.#look();
  }

  stop(): void {
    this.#stopped.abort();
  }

  #set(change: Partial<FeedState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  async #keep(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const told = await this.#follow(signal);
        failures = told ? 0 : failures + 1;
        if (!told && failures > 1) await this.#poll(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused && error.status === 401) {
          this.#set({ link: { kind: 'locked', why: error.message } });
          return;
        }
        failures++;
        this.#set({ link: { kind: 'lost', why: error instanceof Refused ? error.message : 'not reached' } });
      }
      await pause(Math.min(LONGEST_WAIT, 500 * 2 ** failures), signal);
    }
  }

  /** Follows the stream to its end; false where nothing came. */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const own = new AbortController();
    const end = () => own.abort();
    signal.addEventListener('abort', end, { once: true });
    let silent = setTimeout(end, SILENT);
    let told = false;
    try {
      for await (const { event, data } of events(LIVE, own.signal)) {
        clearTimeout(silent);
        silent = setTimeout(end, SILENT);
        told = true;
        this.#take(event, data);
        if (performance.now() - this.#lookedAt > LOOKED_EVERY) void this.#look();
      }
    } catch (error) {
      if (!own.signal.aborted) throw error;
    } finally {
      clearTimeout(silent);
      signal.removeEventListener('abort', end);
      own.abort();
    }
    return told;
  }

  #take(event: string, data: string): void {
    const { snapshot } = this.state;
    if (event === 'hello') {
      this.#set({ link: { kind: 'live' }, snapshot: snapshotOf(JSON.parse(data) as SeriesDocument) });
    } else if (event === 'second' && snapshot !== undefined) {
      this.#set({ link: { kind: 'live' }, snapshot: advanced(snapshot, JSON.parse(data) as LiveSecond) });
    }
  }

  /** A failure here shows in the stream too, which tells of it. */
  async #look(): Promise<void> {
    this.#lookedAt = performance.now();
    const seconds = this.#seconds;
    const query = `?seconds=${seconds}&step=${Math.ceil(seconds / LOOKED_POINTS)}`;
    const past = await askJson<SeriesDocument>(SERIES + query).catch(() => undefined);
    if (past !== undefined && seconds === this.#seconds) this.#set({ past });
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const document = await askJson<SeriesDocument>(`${SERIES}?step=1`, { signal });
      this.#set({ link: { kind: 'polled' }, snapshot: snapshotOf(document) });
      void this.#look();
      await pause(POLLED_EVERY, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}
