import { Tensor } from '../graph/index.ts';
import type { Feeds, Session } from '../run/index.ts';

/** What is put under load: it answers samples of a pool, by their numbers. */
export interface System {
  /** Samples in the pool. */
  readonly samples: number;
  /** Resolves when all samples of the query are answered; rejects where one is not. */
  answer(samples: readonly number[], signal: AbortSignal): Promise<unknown>;
}

/**
 * A session over a pool of samples, each the feeds of one call. Where calls can be put together (`stacks`), a query of several
 * samples is one call; otherwise it is as many at once.
 */
export function systemOf(session: Session, pool: readonly Feeds[], stacks: boolean): System {
  const run = (feeds: Feeds, signal: AbortSignal) => session.run(feeds, { signal });
  return {
    samples: pool.length,
    answer: (samples, signal) => {
      if (samples.length === 1) return run(pool[samples[0]!]!, signal);
      const parts = samples.map((sample) => pool[sample]!);
      return stacks ? run(stack(parts), signal) : Promise.all(parts.map((feeds) => run(feeds, signal)));
    },
  };
}

/** Samples as one batch: every tensor joined along its first axis. */
export function stack(parts: readonly Feeds[]): Feeds {
  const [first = {}] = parts;
  return Object.fromEntries(
    Object.keys(first).map((name) => [name, join(parts.map((feeds) => feeds[name]!))]),
  );
}

function join(tensors: readonly Tensor[]): Tensor {
  const [{ dtype, dims }] = tensors as [Tensor];
  const rows = tensors.reduce((sum, tensor) => sum + (tensor.dims[0] ?? 1), 0);
  const shape = [rows, ...dims.slice(1)];
  if (dtype === 'string')
    return Tensor.ofStrings(
      shape,
      tensors.flatMap((tensor) => tensor.strings()),
    );
  const bytes = new Uint8Array(tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0));
  let at = 0;
  for (const tensor of tensors) {
    bytes.set(tensor.bytes(), at);
    at += tensor.byteLength;
  }
  return Tensor.ofBytes(dtype, shape, bytes);
}
