import { attr, intOf, intsOf, makeNode, type Node, stringOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';

const DOMAIN = 'com.microsoft.nchwc';

/**
 * Writes convolutions of two spatial axes in ONNX Runtime's blocked layout (NCHWc), in place; values keep their names. The
 * runtime does so by itself only where weights are constants, and in training none are. Weights are laid out anew in every run,
 * which costs little. Measured on AVX-512, reordering included: a quarter off 3x3 kernels, a depthwise one over narrow
 * maps in a fourth of the time. Only what has whole blocks of channels; not 1x1 kernels, where reordering costs what it gains.
 * `block`: channels of a block, see `blockSize`. Returns how many there were. Once the graph has all its nodes: no shape
 * rule knows these operators.
 */
export function blockConvolutions(to: Composer, block: number): number {
  const { graph } = to.model;
  if (block === 0) return 0;
  const written: Node[] = [];
  let count = 0;
  to.into(written);
  for (const node of graph.nodes) {
    if (gains(to, node, block)) {
      write(to, node, block);
      count++;
    } else written.push(node);
  }
  graph.nodes = written;
  to.into(written);
  if (count > 0) to.model.opsets.set(DOMAIN, 1);
  return count;
}

function gains(to: Composer, node: Node, block: number): boolean {
  if (node.op !== 'Conv' || node.domain !== '' || node.outputs.length !== 1) return false;
  if (stringOf(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return false;
  const [m, inner, ...kernel] = to.shape(node.inputs[1]!) as [number, number, ...number[]];
  if (kernel.length !== 2 || kernel.every((size) => size === 1) || m % block !== 0) return false;
  const group = intOf(node, 'group', 1);
  return group === 1 ? inner % block === 0 : inner === 1 && group === m;
}

function write(to: Composer, node: Node, block: number): void {
  const [x, w, bias = ''] = node.inputs as [string, string, string?];
  const [y] = node.outputs as [string];
  const [m, inner, ...kernel] = to.shape(w) as [number, number, number, number];
  // [M, C, k, k] as blocks of output channels, with blocks of input channels inside of them: OIHWBiBo. A depthwise kernel
  // has one input channel, and blocks of the output alone: OIHWBo.
  const depthwise = inner === 1;
  const split = depthwise
    ? [m / block, block, 1, ...kernel]
    : [m / block, block, inner / block, block, ...kernel];
  const order = depthwise ? [0, 2, 3, 4, 1] : [0, 2, 4, 5, 3, 1];
  const weights = to.reshape(to.transpose(to.reshape(w, split), order), [m, inner, ...kernel]);
  const blocked = (op: string, inputs: string[], from: string, attributes = {}) => {
    const name = to.fresh(`${y}:${op}`);
    to.declare(makeNode(op, inputs, [name], attributes, { name, domain: DOMAIN }), [to.known(from)]);
    return name;
  };
  const attributes = {
    group: attr.int(intOf(node, 'group', 1)),
    kernel_shape: attr.ints(kernel),
    strides: attr.ints(intsOf(node, 'strides') ?? [1, 1]),
    dilations: attr.ints(intsOf(node, 'dilations') ?? [1, 1]),
    pads: attr.ints(intsOf(node, 'pads') ?? [0, 0, 0, 0]),
  };
  const inputs = [blocked('ReorderInput', [x], x), weights, ...(bias === '' ? [] : [bias])];
  const conv = blocked('Conv', inputs, y, attributes);
  const channels = { channels: attr.int(m) };
  const out = makeNode('ReorderOutput', [conv], [y], channels, { name: node.name, domain: DOMAIN });
  to.declare(out, [to.known(y)]);
}
