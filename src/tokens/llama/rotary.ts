import { Tensor } from '../../graph/index.ts';
import { headSize, type LlamaConfig, ROPE_BASE } from './weights.ts';

/**
 * llama2.c turns neighbours (0, 1), (2, 3), ... of a head; the exporters of Hugging Face turn i and i + size / 2. The rows of a
 * query or key matrix [heads * size, dim] are put into that order, which changes no score: both sides of the product move alike.
 */
export function halved(matrix: Float32Array, heads: number, size: number, dim: number): Float32Array {
  const to = new Float32Array(matrix.length);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < size; i++) {
      const from = (head * size + i) * dim;
      const row = head * size + (i % 2) * (size / 2) + (i >> 1);
      to.set(matrix.subarray(from, from + dim), row * dim);
    }
  }
  return to;
}

/**
 * Cosines and sines of all positions, float32 [positions, size] each, computed in the order and precision of run.c. The sine has
 * its sign in the first half, so that x * cos + swapped(x) * sin turns a head whose halves are swapped without a negation.
 */
export function rotaryTables(config: LlamaConfig): { cos: Tensor; sin: Tensor } {
  const size = headSize(config);
  const half = size / 2;
  const dims = [config.positions, size];
  const cos = new Float32Array(config.positions * size);
  const sin = new Float32Array(config.positions * size);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(ROPE_BASE ** Math.fround((2 * i) / size)));
    for (let position = 0; position < config.positions; position++) {
      const angle = Math.fround(position * frequency);
      const at = position * size + i;
      cos[at] = cos[at + half] = Math.cos(angle);
      sin[at] = -Math.sin(angle);
      sin[at + half] = Math.sin(angle);
    }
  }
  return { cos: Tensor.float32(dims, cos), sin: Tensor.float32(dims, sin) };
}
