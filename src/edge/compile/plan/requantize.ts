import { constant, op, type Tree } from './tree.ts';

/**
 * k times the tree, with k taken into constants that are there anyhow; undefined where it would cost a multiplication. So
 * the sum of two dequantized values is quantized without a division, as ONNX Runtime does it.
 */
export function scaledTree(tree: Tree, k: number): Tree | undefined {
  if (tree.kind === 'constant') return constant(tree.value * k);
  if (tree.kind !== 'op') return undefined;
  const [a, b] = tree.args;
  if (tree.op === 'mul') {
    if (b?.kind === 'constant') return op('mul', [a!, constant(b.value * k)]);
    return a?.kind === 'constant' ? op('mul', [constant(a.value * k), b!]) : undefined;
  }
  if (tree.op === 'relu' || tree.op === 'leakyRelu') {
    const inner = scaledTree(a!, k);
    return inner && { ...tree, args: [inner] };
  }
  if (tree.op === 'clip') {
    const inner = scaledTree(a!, k);
    return (
      inner &&
      op(
        'clip',
        [inner],
        tree.parameters.map((bound) => bound * k),
      )
    );
  }
  if (tree.op === 'add' || tree.op === 'sub') {
    const [left, right] = [scaledTree(a!, k), scaledTree(b!, k)];
    return left && right && op(tree.op, [left, right]);
  }
  return undefined;
}
