import { fail } from '../../base/index.ts';
import { headSize, type LlamaConfig, type LlamaLayer, type LlamaWeights } from './weights.ts';

/** Seven int32: dim, hidden, layers, heads, kv heads, vocabulary (negative: the classifier has weights of its own), positions. */
const HEADER = 28;
/** A larger number in the header is no model but another kind of file. */
const LARGEST = 2 ** 24;

/**
 * Reads a model of llama2.c, version 0: the header, then float32 weights without names, matrix by matrix over all layers
 * (run.c, memory_map_weights). Little endian. The weights are views where the bytes are aligned. Throws CHECKPOINT_UNFIT.
 */
export function readCheckpoint(bytes: Uint8Array): LlamaWeights {
  if (bytes.byteLength < HEADER) throw fail('CHECKPOINT_UNFIT', `${bytes.byteLength} bytes hold no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [dim, hidden, layers, heads, kvHeads, vocabulary, positions] = Array.from({ length: 7 }, (_, i) =>
    view.getInt32(4 * i, true),
  ) as [number, number, number, number, number, number, number];
  const config = { dim, hidden, layers, heads, kvHeads, vocab: Math.abs(vocabulary), positions };
  checkConfig(config);
  const shared = vocabulary > 0;
  const wanted = HEADER + 4 * sizeOfWeights(config, shared);
  if (bytes.byteLength !== wanted) {
    const why = `its header asks for ${wanted} bytes, the file has ${bytes.byteLength}`;
    throw fail('CHECKPOINT_UNFIT', why, { config, wanted, bytes: bytes.byteLength });
  }
  return cut(config, shared, floatsOf(bytes));
}

function checkConfig(config: LlamaConfig): void {
  for (const [name, value] of Object.entries(config)) {
    if (value >= 1 && value <= LARGEST) continue;
    throw fail('CHECKPOINT_UNFIT', `its header says ${name} = ${value}`, { config });
  }
  const { dim, heads, kvHeads } = config;
  if (dim % heads !== 0 || heads % kvHeads !== 0 || (dim / heads) % 2 !== 0) {
    const why = `${dim} numbers do not divide into ${heads} heads of even size that share ${kvHeads} keys`;
    throw fail('CHECKPOINT_UNFIT', why, { config });
  }
}

function sizeOfWeights(config: LlamaConfig, shared: boolean): number {
  const { dim, hidden, layers, kvHeads, vocab, positions } = config;
  const size = headSize(config);
  const layer = 2 * dim + 2 * dim * dim + 2 * dim * kvHeads * size + 3 * dim * hidden;
  return vocab * dim * (shared ? 1 : 2) + layers * layer + dim + positions * size;
}

function floatsOf(bytes: Uint8Array): Float32Array {
  const at = bytes.byteOffset + HEADER;
  const length = (bytes.byteLength - HEADER) / 4;
  if (at % 4 === 0) return new Float32Array(bytes.buffer, at, length);
  return new Float32Array(new Uint8Array(bytes).buffer, HEADER, length);
}

function cut(config: LlamaConfig, shared: boolean, floats: Float32Array): LlamaWeights {
  const { dim, hidden, layers, kvHeads, vocab, positions } = config;
  const size = headSize(config);
  let at = 0;
  const take = (length: number) => {
    at += length;
    return floats.subarray(at - length, at);
  };
  const each = (length: number) => Array.from({ length: layers }, () => take(length));
  const embedding = take(vocab * dim);
  const attentionNorm = each(dim);
  const query = each(dim * dim);
  const key = each(dim * kvHeads * size);
  const value = each(dim * kvHeads * size);
  const output = each(dim * dim);
  const feedNorm = each(dim);
  const gate = each(dim * hidden);
  const down = each(dim * hidden);
  const up = each(dim * hidden);
  const norm = take(dim);
  // What used to be the table of cosines and sines; the angles are computed now.
  take(positions * size);
  return {
    config,
    embedding,
    layers: Array.from(
      { length: layers },
      (_, i): LlamaLayer => ({
        attentionNorm: attentionNorm[i]!,
        query: query[i]!,
        key: key[i]!,
        value: value[i]!,
        output: output[i]!,
        feedNorm: feedNorm[i]!,
        gate: gate[i]!,
        down: down[i]!,
        up: up[i]!,
      }),
    ),
    norm,
    classifier: shared ? embedding : take(vocab * dim),
  };
}
