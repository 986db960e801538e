import { costOf, type Model } from '../graph/index.ts';
import type { OpMix } from './space/model-space.ts';

/** Where the multiply-accumulates of a model lie; by numbers of nodes where shapes are unknown. */
export function opMixOf(model: Model): OpMix {
  const costs = costOf(model);
  const sums = { conv: 0, matmul: 0, recurrent: 0, all: 0 };
  for (const { op, macs } of costs.nodes) {
    const weight = Math.max(1, macs);
    const kind = kindOf(op);
    if (kind !== undefined) {
      sums[kind] += weight;
      sums.all += weight;
    }
  }
  const share = (part: number) => (sums.all === 0 ? 0 : part / sums.all);
  return { conv: share(sums.conv), matmul: share(sums.matmul), recurrent: share(sums.recurrent) };
}

function kindOf(op: string): 'conv' | 'matmul' | 'recurrent' | undefined {
  if (op === 'Conv' || op === 'ConvTranspose') return 'conv';
  if (op === 'MatMul' || op === 'Gemm') return 'matmul';
  if (op === 'LSTM' || op === 'GRU' || op === 'RNN') return 'recurrent';
  return undefined;
}
