import * as ort from 'onnxruntime-node';
import type { Packed, Request } from './messages.ts';
import { type OrtInstance, pack, unpackFeeds } from './ort-instance.ts';

type Values = Record<string, ort.Tensor>;

/**
 * Values that stay with the runtime from one step to the next. Two sets of buffers take turns: a step reads one and
 * writes the other, so that nothing is copied and the values before a step outlive it.
 */
export class KeptState {
  readonly #instance: OrtInstance;
  readonly #carry: Readonly<Record<string, string>>;
  readonly #guard: string | undefined;
  #now: Values;
  #next: Values;
  #halted = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(instance: OrtInstance, { carry, initial, guard }: Extract<Request, { kind: 'keep' }>) {
    this.#instance = instance;
    this.#carry = carry;
    this.#guard = guard;
    this.#now = unpackFeeds(initial);
    this.#next = Object.fromEntries(Object.entries(this.#now).map(([name, value]) => [name, copyOf(value)]));
  }

  /** One run at a time, in the order of the calls. */
  step(feeds: Packed, outputs: readonly string[], transfer: ArrayBuffer[]): Promise<Packed> {
    return this.#after(async () => {
      if (this.#halted) throw new Error(`a step before this one had a ${this.#guard} that is not finite`);
      const fetches: Record<string, ort.Tensor | null> = {};
      for (const name of outputs) fetches[name] = null;
      for (const [input, output] of Object.entries(this.#carry)) fetches[output] = this.#next[input]!;
      const found = await this.#instance.runInto({ ...unpackFeeds(feeds), ...this.#now }, fetches);
      const guard = this.#guard === undefined ? undefined : (found[this.#guard] as ort.Tensor);
      if (guard === undefined || Number.isFinite(Number((guard.data as Float32Array)[0]))) {
        [this.#now, this.#next] = [this.#next, this.#now];
      } else this.#halted = true;
      const packed: Packed = {};
      for (const name of outputs) packed[name] = pack(found[name] as ort.Tensor, transfer);
      return packed;
    });
  }

  /** Copies of what is kept. */
  read(names: readonly string[], transfer: ArrayBuffer[]): Promise<Packed> {
    return this.#after(async () =>
      Object.fromEntries(names.map((name) => [name, pack(copyOf(this.#now[name]!), transfer)])),
    );
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

function copyOf(value: ort.Tensor): ort.Tensor {
  return new ort.Tensor(value.type as 'float32', (value.data as Float32Array).slice(), value.dims);
}
