import type { Served } from '../ports.ts';

/** A version that answers, and what ends it. */
export interface OpenedModel {
  readonly served: Served;
  dispose(): Promise<void>;
}

/** An open version with those who use it at present. */
export class Entry {
  readonly served: Served;
  readonly #dispose: () => Promise<void>;
  #leases = 0;
  #idle: (() => void) | undefined;
  #retired: Promise<void> | undefined;

  constructor({ served, dispose }: OpenedModel) {
    this.served = served;
    this.#dispose = dispose;
  }

  get leases(): number {
    return this.#leases;
  }

  lease(): { readonly served: Served; release(): void } {
    this.#leases++;
    let held = true;
    return {
      served: this.served,
      release: () => {
        if (!held) return;
        held = false;
        if (--this.#leases === 0) this.#idle?.();
      },
    };
  }

  /** Ends it when nobody uses it any more, at the latest after `drainMs`. */
  retire(drainMs: number): Promise<void> {
    this.#retired ??= (async () => {
      if (this.#leases > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, drainMs);
          this.#idle = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      await this.#dispose();
    })();
    return this.#retired;
  }
}
