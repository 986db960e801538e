import { fail } from '../base/index.ts';
import { type Model, Tensor } from '../graph/index.ts';
import {
  type Feeds,
  type Fetches,
  openSession,
  type Port,
  type RunOptions,
  type Session,
  type SessionSettings,
} from '../run/index.ts';
import { type CacheForm, cacheForm } from './cache-form.ts';

/**
 * Opens a generative model as a session that reads whole texts at once: input_ids and attention_mask (int64 [batch, tokens], padded
 * on the right) in, logits [batch, tokens, vocabulary] out. Caches are empty and positions count from 0. What metrics of next tokens need.
 */
export async function openScoring(
  model: Model | string,
  settings: Partial<SessionSettings> = {},
): Promise<Session> {
  const session = await openSession(model, settings);
  try {
    return new Scoring(session, cacheForm(session.inputs, session.outputs));
  } catch (cause) {
    await session.dispose();
    throw cause;
  }
}

class Scoring implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #session: Session;
  readonly #form: CacheForm;

  constructor(session: Session, form: CacheForm) {
    this.#session = session;
    this.#form = form;
    this.inputs = ['input_ids', 'attention_mask'].map((name) => ({
      name,
      dtype: 'int64',
      shape: ['batch_size', 'sequence_length'],
    }));
    this.outputs = [form.logits];
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#session.metadata;
  }

  run(feeds: Feeds, options: RunOptions = {}): Promise<Fetches> {
    const { ids, mask, positions, logits } = this.#form;
    const tokens = feeds.input_ids;
    const counts = feeds.attention_mask;
    if (tokens?.dims.length !== 2 || counts === undefined) {
      return Promise.reject(fail('FEED_MISMATCH', 'input_ids and attention_mask [batch, tokens] are needed'));
    }
    const [batch, length] = tokens.dims as [number, number];
    const given: Record<string, Tensor> = { [ids.name]: asType(ids, tokens) };
    // Without a mask the padding on the right is read, but nothing before it sees it.
    if (mask !== undefined) given[mask.name] = asType(mask, counts);
    if (positions !== undefined) {
      const places = BigInt64Array.from({ length: batch * length }, (_, i) => BigInt(i % length));
      given[positions.name] = asType(positions, Tensor.of('int64', [batch, length], places));
    }
    for (const port of this.#session.inputs) {
      if (port.name in this.#form.carry) given[port.name] = this.#empty(port, batch);
    }
    return this.#session.run(given, { ...options, outputs: options.outputs ?? [logits.name] });
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }

  #empty(port: Port, batch: number): Tensor {
    const dims = port.shape!.map((dim, axis) =>
      axis === this.#form.axis ? 0 : typeof dim === 'number' ? dim : batch,
    );
    return Tensor.ofBytes(port.dtype, dims, new Uint8Array());
  }
}

function asType(port: Port, tensor: Tensor): Tensor {
  if (port.dtype === tensor.dtype) return tensor;
  return Tensor.of('int32', tensor.dims, Int32Array.from(tensor.as('int64'), Number));
}
