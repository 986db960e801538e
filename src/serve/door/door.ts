import { fail } from '../../base/index.ts';
import type { Happened, Models, Observer } from '../ports.ts';
import type { KeyRecord } from '../security/key.ts';
import { KeyRing, type KeyUse } from '../security/key-ring.ts';
import { HeldBytes } from './held-bytes.ts';
import { Statistics } from './statistics.ts';

export interface DoorOptions {
  /** Who may ask. Default: everybody. */
  readonly keys?: readonly KeyRecord[];
  /** Bytes of requests that must be held whole (JSON, strings), all together. Default: 512 MiB. */
  readonly heldBytes?: number;
  /** Requests under way at once, whatever they ask. Default: 10 000. */
  readonly requests?: number;
}

/** Somebody who was let in, until `leave`. */
export interface Guest {
  /** Name of the key; undefined where everybody may ask. */
  readonly key: string | undefined;
  /** Counts samples against the limits of the key. Throws KEY_LIMITED. */
  charge(samples: number): void;
  /** Safe to call twice. */
  leave(): void;
}

/**
 * What all protocols share: who may come in, what requests under way hold, what has happened, and whether the server is leaving.
 * `serving`, then `leaving` (not ready any more, still answering), then `closed` (no more requests).
 */
export class Door {
  readonly models: Models;
  readonly observer: Observer;
  readonly statistics = new Statistics();
  readonly held: HeldBytes;
  readonly #most: number;
  #keys: KeyRing | undefined;
  #phase: 'serving' | 'leaving' | 'closed' = 'serving';
  #inside = 0;
  #whenEmpty: (() => void)[] = [];

  constructor(models: Models, observer: Observer, options: DoorOptions = {}) {
    this.models = models;
    this.observer = observer;
    this.held = new HeldBytes(options.heldBytes ?? 512 * 2 ** 20);
    this.#most = options.requests ?? 10_000;
    if (options.keys !== undefined) this.#keys = new KeyRing(options.keys, performance.now());
  }

  get phase(): 'serving' | 'leaving' | 'closed' {
    return this.#phase;
  }

  /** Whether a load balancer should send requests here. */
  ready(): boolean {
    return this.#phase === 'serving' && this.models.ready();
  }

  /** Requests under way. */
  get inside(): number {
    return this.#inside;
  }

  /** Whether a key is asked for. */
  get asksForKeys(): boolean {
    return this.#keys !== undefined;
  }

  /** Takes other keys from now on; a door that had none asks for them from now on. */
  replaceKeys(keys: readonly KeyRecord[]): void {
    const now = performance.now();
    if (this.#keys === undefined) this.#keys = new KeyRing(keys, now);
    else this.#keys.replace(keys, now);
  }

  /** Lets a request in. Throws SERVER_CLOSING, OVERLOADED, KEY_REFUSED, KEY_LIMITED. */
  enter(credential: string | undefined): Guest {
    if (this.#phase === 'closed') throw fail('SERVER_CLOSING', 'it takes no more requests');
    if (this.#inside >= this.#most) {
      throw fail('OVERLOADED', `${this.#inside} requests are under way`, { retryAfterMs: 1000 });
    }
    const use = this.#keys?.enter(credential, performance.now(), Date.now());
    this.#inside += 1;
    return new Inside(use, () => this.#left());
  }

  /** Not ready any more, so that load balancers turn away; requests are still answered. */
  startLeaving(): void {
    if (this.#phase === 'serving') this.#phase = 'leaving';
  }

  /** No more requests from now on. */
  close(): void {
    this.#phase = 'closed';
  }

  /** Resolves when nobody is inside any more. */
  async empty(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  /** A request for a model has been answered or refused. */
  happened(happened: Happened): void {
    this.statistics.add(happened);
    this.observer.request(happened);
  }

  #left(): void {
    this.#inside -= 1;
    if (this.#inside > 0) return;
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }
}

class Inside implements Guest {
  readonly key: string | undefined;
  readonly #use: KeyUse | undefined;
  readonly #left: () => void;
  #gone = false;

  constructor(use: KeyUse | undefined, left: () => void) {
    this.key = use?.name;
    this.#use = use;
    this.#left = left;
  }

  charge(samples: number): void {
    this.#use?.charge(samples, performance.now());
  }

  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#use?.leave();
    this.#left();
  }
}
