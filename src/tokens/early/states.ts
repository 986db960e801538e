import { throwIfAborted } from '../../base/index.ts';
import { type Model, Tensor } from '../../graph/index.ts';
import { openSession, type Session, type SessionSettings } from '../../run/index.ts';
import { feedsOf } from '../reader.ts';
import { HIDDEN, HIDDEN_IN, stageForm } from './cut.ts';

/**
 * Reads texts with a decoder in pieces: of each text the hidden states after every piece, float32 [tokens, dim] each. Throws what a
 * session throws.
 */
export async function* readStates(
  stages: readonly Model[],
  texts: readonly (readonly number[])[],
  dim: number,
  options: { readonly settings?: Partial<SessionSettings>; readonly signal?: AbortSignal },
): AsyncGenerator<readonly Float32Array[], void> {
  const sessions: Session[] = [];
  try {
    for (const piece of stages) sessions.push(await openSession(piece, options.settings));
    const readers = await Promise.all(stages.map((piece, i) => readerOf(piece, sessions[i]!)));
    for (const text of texts) {
      throwIfAborted(options.signal);
      const states: Float32Array[] = [];
      for (const read of readers) states.push(await read(text, states.at(-1), dim));
      yield states;
    }
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

type Reader = (
  text: readonly number[],
  hidden: Float32Array | undefined,
  dim: number,
) => Promise<Float32Array>;

/** Reads a whole text with a piece: the hidden state after it, [tokens, dim]. */
async function readerOf(piece: Model, session: Session): Promise<Reader> {
  const form = await stageForm(piece);
  return async (text, hidden, dim) => {
    const feeds: Record<string, Tensor> = { ...feedsOf(form, [text], 0, [0]) };
    if (hidden !== undefined) feeds[HIDDEN_IN] = Tensor.float32([1, text.length, dim], hidden);
    for (const { name, dtype, shape } of session.inputs) {
      if (!(name in form.carry)) continue;
      const dims = shape!.map((size, axis) => (axis === form.axis ? 0 : typeof size === 'number' ? size : 1));
      feeds[name] = Tensor.ofBytes(dtype, dims, new Uint8Array());
    }
    const found = await session.run(feeds, { outputs: [HIDDEN] });
    return found[HIDDEN]!.as('float32');
  };
}
