import { type Progress, SILENT, throwIfAborted } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import type { Session } from '../../run/index.ts';
import type { Decoder } from '../decoder.ts';
import { greedy } from '../sampling.ts';

export interface JudgeOptions {
  /** Tokens written after each prompt. Default 64. */
  readonly newTokens?: number;
  /** Tokens that end a text. */
  readonly stop?: readonly number[];
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What a decoder wrote after some prompts, and what the whole model says of it. */
export interface Judged {
  /**
   * For each prompt the share of its new tokens that the whole model, having read the same text, would not have chosen (greedy
   * both): a number in [0, 1].
   */
  readonly differing: Float64Array;
  /** For each prompt the mean number of layers before a token was chosen; the first token, chosen after the prompt, left out. */
  readonly depths: Float64Array;
  /** Share of tokens that left at each exit, the last being the end of the model. */
  readonly leaving: readonly number[];
}

/** Texts that the whole model reads at once. */
const TOGETHER = 16;

/**
 * Lets a decoder continue prompts greedily and asks the whole model (opened with `openScoring`) about every token. `depths`: layers
 * before each exit, as of the pieces. The unit is the prompt: tokens of one text are not independent.
 */
export async function judgeEarly(
  decoder: Decoder,
  whole: Session,
  prompts: readonly (readonly number[])[],
  depths: readonly number[],
  options: JudgeOptions = {},
): Promise<Judged> {
  const { newTokens = 64, stop = [], progress = SILENT, signal } = options;
  const stage = progress.stage('Judging exits', prompts.length);
  const differing = new Float64Array(prompts.length);
  const layers = new Float64Array(prompts.length);
  const leaving = depths.map(() => 0);
  let waiting: { text: readonly number[]; prompt: number; at: number }[] = [];
  const ask = async () => {
    const shares = await differingShares(whole, waiting);
    for (const [i, { at }] of waiting.entries()) differing[at] = shares[i]!;
    waiting = [];
  };
  try {
    for (const [at, prompt] of prompts.entries()) {
      const tokens: number[] = [];
      const exits: number[] = [];
      for await (const chunk of decoder.write([prompt], { newTokens, stop })) {
        throwIfAborted(signal);
        tokens.push(...chunk.texts[0]!);
        exits.push(...chunk.exits);
      }
      const after = exits.slice(1);
      for (const exit of after) leaving[exit]!++;
      layers[at] =
        after.length === 0
          ? depths.at(-1)!
          : after.reduce((sum, exit) => sum + depths[exit]!, 0) / after.length;
      waiting.push({ text: [...prompt, ...tokens], prompt: prompt.length, at });
      if (waiting.length === TOGETHER) await ask();
      stage.advance();
    }
    if (waiting.length > 0) await ask();
  } finally {
    stage.end();
  }
  const total = leaving.reduce((sum, count) => sum + count, 0);
  return { differing, depths: layers, leaving: leaving.map((count) => (total > 0 ? count / total : 0)) };
}

/** For each text the share of the tokens after its prompt that are not the whole model's own choice. */
async function differingShares(
  whole: Session,
  texts: readonly { readonly text: readonly number[]; readonly prompt: number }[],
): Promise<number[]> {
  const longest = Math.max(...texts.map(({ text }) => text.length));
  const ids = new BigInt64Array(texts.length * longest);
  const mask = new BigInt64Array(texts.length * longest);
  for (const [row, { text }] of texts.entries()) {
    ids.set(text.map(BigInt), row * longest);
    mask.fill(1n, row * longest, row * longest + text.length);
  }
  const dims = [texts.length, longest];
  const { logits } = await whole.run({
    input_ids: Tensor.of('int64', dims, ids),
    attention_mask: Tensor.of('int64', dims, mask),
  });
  const all = logits!.as('float32');
  const width = logits!.dims[2]!;
  return texts.map(({ text, prompt }, row) => {
    if (text.length === prompt) return 0;
    let other = 0;
    for (let at = prompt; at < text.length; at++) {
      const from = (row * longest + at - 1) * width;
      if (greedy(all.subarray(from, from + width)) !== text[at]) other++;
    }
    return other / (text.length - prompt);
  });
}
