import { fail } from '../../base/index.ts';
import { BpeTokenizer, type Merge } from './bpe.ts';

/** Tokens of llama2.c that are no text: unknown, begin, end. */
const UNKNOWN = 0;
const BEGIN = 1;
const END = 2;

/**
 * Reads tokenizer.bin of llama2.c: int32 longest piece, then per token float32 score, int32 length, UTF-8 bytes. Two neighbours merge
 * where their texts together are a token; the highest score goes first (run.c, encode). `size`: tokens of the model. Throws TOKENIZER_UNFIT.
 */
export function readLlama2cTokenizer(bytes: Uint8Array, size?: number): BpeTokenizer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const pieces: string[] = [];
  const scores: number[] = [];
  let at = 4;
  while (at < bytes.byteLength && pieces.length !== size) {
    const length = at + 8 <= bytes.byteLength ? view.getInt32(at + 4, true) : -1;
    if (length < 0 || at + 8 + length > bytes.byteLength) {
      throw fail('TOKENIZER_UNFIT', `the file ends within token ${pieces.length}`);
    }
    scores.push(view.getFloat32(at, true));
    pieces.push(textOf(decoder, bytes.subarray(at + 8, at + 8 + length), pieces.length));
    at += 8 + length;
  }
  if (pieces.length <= END || (size !== undefined && pieces.length !== size)) {
    throw fail('TOKENIZER_UNFIT', `the file holds ${pieces.length} tokens, the model ${size ?? 'more'}`);
  }
  return new BpeTokenizer({
    pieces,
    merges: mergesOf(pieces, scores),
    begin: BEGIN,
    end: END,
    silent: new Set([UNKNOWN, BEGIN, END]),
  });
}

function textOf(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, token: number): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw fail('TOKENIZER_UNFIT', `token ${token} is no UTF-8`, {}, cause);
  }
}

/** Every way to make a piece of two others; those of one piece share its rank, as they share its score. */
function mergesOf(pieces: readonly string[], scores: readonly number[]): Merge[] {
  const ids = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) if (id > END && !ids.has(piece)) ids.set(piece, id);
  const merges: Merge[] = [];
  for (const [piece, to] of ids) {
    for (let cut = 1; cut < piece.length; cut++) {
      const left = ids.get(piece.slice(0, cut));
      const right = ids.get(piece.slice(cut));
      if (left !== undefined && right !== undefined) merges.push({ left, right, to, rank: -scores[to]! });
    }
  }
  return merges.sort((a, b) => a.rank - b.rank);
}
