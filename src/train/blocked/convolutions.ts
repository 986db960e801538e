import { attr, intOf, intsOf, makeNode, type Node, stringOf } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';

const DOMAIN = 'com.microsoft.nchwc';

/**
 * Writes convolutions of two spatial axes in ONNX Runtime's blocked layout (NCHWc), in place; values keep their names. The
 * runtime does so by itself only where weights are constants, and in training none are. Weights are laid out anew in every run,
 * which costs little; a value that several convolutions read is reordered once. Measured on AVX-512, reordering included: a
 * quarter off 3x3 kernels, a depthwise one over narrow maps in a fourth of the time. Only what has whole blocks of channels;
 * not 1x1 kernels, where reordering costs what it gains. `block`: channels of a block, see `blockSize`. Returns how many
 * there were. Once the graph has all its nodes, in order: no shape rule knows these operators.
 */
export function blockConvolutions(to: Composer, block: number): number {
  const { graph } = to.model;
  if (block === 0) return 0;
  const written: Node[] = [];
  const layout = new Layout(to, block);
  let count = 0;
  to.into(written);
  for (const node of graph.nodes) {
    if (gains(to, node, block)) {
      write(to, node, layout);
      count++;
      continue;
    }
    if (node.op === 'Reshape' && node.domain === '') layout.saw(node);
    written.push(node);
  }
  graph.nodes = written;
  to.into(written);
  if (count > 0) to.model.opsets.set(DOMAIN, 1);
  return count;
}

/** Values in the blocked layout, each of them made once. */
class Layout {
  readonly block: number;
  readonly #to: Composer;
  readonly #reordered = new Map<string, string>();
  readonly #reshapes = new Map<string, string>();

  constructor(to: Composer, block: number) {
    this.#to = to;
    this.block = block;
  }

  /** Remembers what a Reshape made of what. */
  saw({ inputs, outputs }: Node): void {
    this.#reshapes.set(outputs[0]!, inputs[0]!);
  }

  /**
   * A value [N, C, H, W] in the blocked layout. Samples that a Reshape made channels of, as [1, N * C, H, W] or [N * C, 1, H, W], lie in
   * memory as they did before it: whole blocks stay whole.
   */
  of(value: string): string {
    const to = this.#to;
    const dims = to.shape(value);
    const source = this.#reshapes.get(value);
    if (source !== undefined && this.#sameMaps(to.shape(source), dims))
      return to.reshape(this.of(source), dims);
    const before = this.#reordered.get(value);
    if (before !== undefined) return before;
    // The kernel of a depthwise convolution has its channels first.
    const maps = dims[1] === 1 ? to.reshape(value, [1, dims[0]!, ...dims.slice(2)]) : value;
    const name = to.fresh(`${value}:blocked`);
    const node = makeNode('ReorderInput', [maps], [name], {}, { name, domain: DOMAIN });
    to.declare(node, [to.known(maps)]);
    const blocked = to.reshape(name, dims);
    this.#reordered.set(value, blocked);
    return blocked;
  }

  #sameMaps(from: readonly number[], dims: readonly number[]): boolean {
    return (
      from.length === 4 &&
      from[1]! % this.block === 0 &&
      from[0]! * from[1]! === dims[0]! * dims[1]! &&
      from[2] === dims[2] &&
      from[3] === dims[3]
    );
  }
}

function gains(to: Composer, node: Node, block: number): boolean {
  if (node.op !== 'Conv' || node.domain !== '' || node.outputs.length !== 1) return false;
  if (stringOf(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return false;
  const [m, inner, ...kernel] = to.shape(node.inputs[1]!) as [number, number, ...number[]];
  if (kernel.length !== 2 || kernel.every((size) => size === 1) || m % block !== 0) return false;
  const group = intOf(node, 'group', 1);
  return group === 1 ? inner % block === 0 : inner === 1 && group === m;
}

function write(to: Composer, node: Node, layout: Layout): void {
  const [x, w, bias = ''] = node.inputs as [string, string, string?];
  const [y] = node.outputs as [string];
  const kernel = to.shape(w).slice(2);
  const attributes = {
    group: attr.int(intOf(node, 'group', 1)),
    kernel_shape: attr.ints(kernel),
    strides: attr.ints(intsOf(node, 'strides') ?? [1, 1]),
    dilations: attr.ints(intsOf(node, 'dilations') ?? [1, 1]),
    pads: attr.ints(intsOf(node, 'pads') ?? [0, 0, 0, 0]),
  };
  const inputs = [layout.of(x), blockedWeights(to, w, layout), ...(bias === '' ? [] : [bias])];
  const name = to.fresh(`${y}:Conv`);
  to.declare(makeNode('Conv', inputs, [name], attributes, { name, domain: DOMAIN }), [to.known(y)]);
  const channels = { channels: attr.int(to.shape(w)[0]!) };
  const out = makeNode('ReorderOutput', [name], [y], channels, { name: node.name, domain: DOMAIN });
  to.declare(out, [to.known(y)]);
}

/**
 * [M, C, k, k] as blocks of output channels, with blocks of input channels inside of them: OIHWBiBo. A depthwise kernel has one
 * input channel, and blocks of the output alone, OIHWBo: the layout of a value with a channel for each kernel.
 */
function blockedWeights(to: Composer, w: string, layout: Layout): string {
  const { block } = layout;
  const dims = to.shape(w) as [number, number, number, number];
  const [m, inner, ...kernel] = dims;
  if (inner === 1) return layout.of(w);
  const split = to.reshape(w, [m / block, block, inner / block, block, ...kernel]);
  return to.reshape(to.transpose(split, [0, 2, 4, 5, 3, 1]), dims);
}
