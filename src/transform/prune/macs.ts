import { costOf, type Inference, intOf, labelOf, type Model, type Node } from '../../graph/index.ts';
import type { AxisUnits, MacPart, MacParts } from './group.ts';

/** Splits the MACs of a model (costOf) into products of axes, so that those of a smaller one need no new model. */
export function macParts(model: Model, shapes: Inference): MacParts {
  const cost = costOf(model, shapes);
  const byLabel = new Map<string, number>();
  for (const { node, macs } of cost.nodes) byLabel.set(node, (byLabel.get(node) ?? 0) + macs);
  const parts: MacPart[] = [];
  for (const node of model.graph.nodes) {
    const macs = byLabel.get(labelOf(node));
    if (macs === undefined || macs === 0) continue;
    // Nodes of one name are counted together, at the first of them.
    byLabel.delete(labelOf(node));
    parts.push(...partsOf(node, macs, shapes));
  }
  return { total: cost.total.macs, parts };
}

function partsOf(node: Node, macs: number, shapes: Inference): MacPart[] {
  const all = (value: string) =>
    (shapes.get(value)?.shape ?? []).map((_, axis): readonly [string, number] => [value, axis]);
  const [x = '', w = '', r = ''] = node.inputs;
  switch (node.op) {
    case 'Conv':
    case 'ConvTranspose':
      return [
        {
          macs,
          factors: [
            [w, 0],
            [w, 1],
          ],
        },
      ];
    case 'MatMul':
      return [{ macs, factors: [...all(node.outputs[0]!), [x, (shapes.get(x)?.shape?.length ?? 1) - 1]] }];
    case 'Gemm':
      return [{ macs, factors: [...all(node.outputs[0]!), [x, intOf(node, 'transA', 0) === 0 ? 1 : 0]] }];
    case 'RNN':
    case 'GRU':
    case 'LSTM': {
      const [into, over] = [sizeIn(shapes, w), sizeIn(shapes, r)];
      const share = into / (into + over);
      return [
        { macs: macs * share, factors: all(w) },
        { macs: macs * (1 - share), factors: all(r) },
      ];
    }
    default:
      return [{ macs, factors: all(node.outputs[0] ?? '') }];
  }
}

function sizeIn(shapes: Inference, value: string): number {
  return (shapes.get(value)?.shape ?? []).reduce<number>((size, dim) => size * Number(dim), 1);
}

/** The MACs that remain when the units of these numbers are cut. Equals costOf of the model that is cut so. */
export function macsAfter(
  { total, parts }: MacParts,
  axes: ReadonlyMap<string, readonly (AxisUnits | undefined)[]>,
  cut: ReadonlySet<number>,
): number {
  const shares = new Map<AxisUnits, number>();
  let macs = total;
  for (const part of parts) {
    let share = 1;
    for (const [value, axis] of part.factors) {
      const units = axes.get(value)?.[axis];
      if (units === undefined) continue;
      let kept = shares.get(units);
      if (kept === undefined) {
        kept = keptIndices(units, cut).length / (units.offsets.length - 1);
        shares.set(units, kept);
      }
      share *= kept;
    }
    macs -= part.macs * (1 - share);
  }
  return macs;
}

/** The indices of an axis that remain, ascending. */
export function keptIndices({ offsets, units }: AxisUnits, cut: ReadonlySet<number>): number[] {
  const kept: number[] = [];
  for (let i = 0; i + 1 < offsets.length; i++) {
    let stays = true;
    for (let at = offsets[i]!; at < offsets[i + 1]! && stays; at++) stays = !cut.has(units[at]!);
    if (stays) kept.push(i);
  }
  return kept;
}
