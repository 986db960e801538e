import { fail } from '../../base/index.ts';
import { byteLengthOf, sizeOf, Tensor } from '../../graph/index.ts';
import { checkFeeds, type Feeds, type Port } from '../../run/index.ts';
import type { Ask } from '../ports.ts';

/** Inputs of one request while they come, each in memory of its own. */
export class Feeding {
  readonly #inputs: readonly Port[];
  readonly #ask: Ask;
  readonly #parts = new Map<string, { bytes: Uint8Array; filled: number }>();
  readonly #given: Record<string, Tensor> = {};

  /** Throws FEED_MISMATCH where a shape is announced for what is no input. */
  constructor(inputs: readonly Port[], ask: Ask) {
    this.#inputs = inputs;
    this.#ask = ask;
    for (const name of Object.keys(ask.shapes)) this.#port(name);
  }

  bytesOf(input: string): number | undefined {
    const { dtype } = this.#port(input);
    const shape = this.#ask.shapes[input];
    return dtype === 'string' || shape === undefined ? undefined : byteLengthOf(dtype, sizeOf(shape));
  }

  write(input: string, at: number, bytes: Uint8Array): void {
    const size = this.bytesOf(input);
    if (size === undefined || at < 0 || at + bytes.byteLength > size) {
      throw fail('FEED_MISMATCH', `input ${input} has ${size ?? 'no'} bytes, not ${at + bytes.byteLength}`, {
        input,
      });
    }
    let part = this.#parts.get(input);
    if (part === undefined) {
      part = { bytes: new Uint8Array(size), filled: 0 };
      this.#parts.set(input, part);
    }
    part.bytes.set(bytes, at);
    part.filled += bytes.byteLength;
  }

  give(input: string, tensor: Tensor): void {
    this.#port(input);
    this.#given[input] = tensor;
  }

  /** Throws FEED_MISMATCH where an input is missing, not filled, or not what the model takes. */
  whole(): Feeds {
    const feeds: Record<string, Tensor> = { ...this.#given };
    for (const { name, dtype } of this.#inputs) {
      if (feeds[name] !== undefined) continue;
      const size = dtype === 'string' ? undefined : this.bytesOf(name);
      const part =
        this.#parts.get(name) ?? (size === 0 ? { bytes: new Uint8Array(0), filled: 0 } : undefined);
      if (size === undefined || part === undefined || part.filled < size) {
        throw fail('FEED_MISMATCH', `input ${name} is missing or not whole`, { input: name });
      }
      feeds[name] = Tensor.ofBytes(dtype, this.#ask.shapes[name]!, part.bytes);
    }
    checkFeeds(this.#inputs, feeds);
    return feeds;
  }

  #port(input: string): Port {
    const port = this.#inputs.find(({ name }) => name === input);
    if (port !== undefined) return port;
    throw fail('FEED_MISMATCH', `there is no input "${input}"`, { input });
  }
}
