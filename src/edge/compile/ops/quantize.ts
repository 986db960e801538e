import { intOf } from '../../../graph/index.ts';
import { unsupported } from '../plan/lowering.ts';
import { constant, leaf, op, type Quant } from '../plan/tree.ts';
import type { Value } from '../plan/value.ts';
import { axisOf, constantInput, floatOnly, input, type Row, realOf, type Site, shellOf } from './row.ts';

/** Scale and zero point of an activation: one for all. */
function single(site: Site): { scale: number; zeroPoint: number } {
  const scale = constantInput(site, 1, 'a scale');
  const zero = constantInput(site, 2, 'a zero point');
  if (scale === undefined || scale.size !== 1) throw unsupported('activations with a scale for each channel');
  if (scale.dtype !== 'float32') throw unsupported(`scales of type ${scale.dtype}`);
  return { scale: scale.numbers()[0]!, zeroPoint: zero?.numbers()[0] ?? 0 };
}

const quantize: Row = (site) => {
  const { low } = site;
  const x = input(site, 0);
  floatOnly(x);
  const shell = shellOf(site);
  if (shell.dtype !== 'uint8' && shell.dtype !== 'int8')
    throw unsupported(`activations of type ${shell.dtype}`);
  const quant: Quant = { ...single(site), dtype: shell.dtype };
  const own = x.real?.quant;
  // Made real and quantized again, alike: nothing happened.
  if (own?.scale === quant.scale && own.zeroPoint === quant.zeroPoint && own.dtype === quant.dtype) {
    return [{ ...shell, quant, view: low.view(x.real!) }];
  }
  return [{ ...shell, tree: low.tree(x), quant }];
};

const dequantize: Row = (site) => {
  const { low, node } = site;
  const x = input(site, 0);
  const shell = shellOf(site);
  if (shell.dtype !== 'float32') throw unsupported(`a DequantizeLinear to ${shell.dtype}`);
  if (x.constant !== undefined) {
    const scales = constantInput(site, 1, 'a scale');
    const zeros = constantInput(site, 2, 'a zero point');
    if (scales === undefined) throw unsupported('weights without a scale');
    if (intOf(node, 'block_size', 0) !== 0) throw unsupported('weights with a scale for each block');
    const axis = scales.size === 1 ? 0 : axisOf(intOf(node, 'axis', 1), x.dims.length);
    const made: Value = {
      ...shell,
      weights: {
        ...{ tensor: x.constant, axis },
        scales: Float32Array.from(scales.numbers()),
        zeros: zeros?.numbers() ?? new Array<number>(scales.size).fill(0),
      },
    };
    return [made];
  }
  const { scale, zeroPoint } = single(site);
  if (x.quant !== undefined) {
    const fits = x.quant.scale === scale && x.quant.zeroPoint === zeroPoint;
    if (fits) return [realOf(low, x, shell)];
    // Read with another scale than it was written with.
    const shifted = op('add', [leaf(low.view(x)), constant(x.quant.zeroPoint - zeroPoint)]);
    return [{ ...shell, tree: op('mul', [shifted, constant(scale)]) }];
  }
  if (x.dtype !== 'uint8') throw unsupported(`quantized inputs of type ${x.dtype}`);
  return [
    { ...shell, tree: op('mul', [op('sub', [leaf(low.view(x)), constant(zeroPoint)]), constant(scale)]) },
  ];
};

/** The way into whole numbers and out of them. */
export const QUANTIZE = { QuantizeLinear: quantize, DequantizeLinear: dequantize } as const satisfies Record<
  string,
  Row
>;
