import { intOf, sizeOf, Tensor } from '../../../graph/index.ts';
import { gather } from '../kernels/gather.ts';
import { unsupported } from '../plan/lowering.ts';
import { dequantized, type Value } from '../plan/value.ts';
import { reshaped, sliceOf } from '../plan/view.ts';
import { axisOf, input, moved, type Row, shellOf } from './row.ts';

const gatherRow: Row = (site) => {
  const { low, node } = site;
  const indices = input(site, 1);
  if (indices.dtype !== 'int64' && indices.dtype !== 'int32')
    throw unsupported(`indices of type ${indices.dtype}`);
  const given = input(site, 0);
  const x: Value =
    given.weights === undefined
      ? given
      : low.constant(given.name, Tensor.float32(given.dims, dequantized(given.weights)));
  const rank = x.dims.length;
  const axis = axisOf(intOf(node, 'axis', 0), rank);
  const shell = shellOf(site);
  const fixed = indices.constant;
  if (fixed?.size === 1) {
    const at = axisOf(fixed.numbers()[0]!, x.dims[axis]!);
    if (at < 0 || at >= x.dims[axis]!)
      throw unsupported(`an index of ${fixed.numbers()[0]} into ${x.dims[axis]}`);
    return [moved(site, x, shell, (base) => reshaped(sliceOf(low.view(base), axis, at, 1), shell.dims)!)];
  }
  const count = sizeOf(indices.dims);
  const list =
    fixed === undefined ? reshaped(low.contiguous(indices), [count])! : low.integers(fixed.numbers());
  return [
    moved(site, x, shell, (base) => {
      const whole: Value = {
        ...shell,
        dtype: base.dtype,
        hint: { channelsLast: false },
        ...(base.quant && { quant: base.quant }),
      };
      const out = low.allocate(whole);
      const flat = reshaped(out, [...x.dims.slice(0, axis), count, ...x.dims.slice(axis + 1)])!;
      gather(low.program, low.label, low.view(base), list, flat, axis);
      return out;
    }),
  ];
};

/** Rows picked by number: embeddings. */
export const GATHER = { Gather: gatherRow } as const satisfies Record<string, Row>;
