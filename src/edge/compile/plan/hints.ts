import { type Graph, intsOf, type Node, stringOf } from '../../../graph/index.ts';
import type { Border } from './view.ts';

/** How a value had best lie in memory, by what makes it and what reads it. */
export interface Hint {
  readonly channelsLast: boolean;
  readonly border?: Border;
}

/** Operators that slide windows over [N, C, spatial...]. */
const SPATIAL: ReadonlySet<string> = new Set([
  'Conv',
  'ConvTranspose',
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'Resize',
]);

/** Operators that leave every number at its place, or at its place among the channels. */
const FOLLOWS: ReadonlySet<string> = new Set([
  ...[
    'Relu',
    'LeakyRelu',
    'PRelu',
    'Clip',
    'Sigmoid',
    'Tanh',
    'HardSigmoid',
    'HardSwish',
    'Gelu',
    'Erf',
    'Exp',
    'Log',
  ],
  ...[
    'Sqrt',
    'Abs',
    'Neg',
    'Pow',
    'Add',
    'Sub',
    'Mul',
    'Div',
    'Min',
    'Max',
    'Sum',
    'Elu',
    'Selu',
    'Softplus',
    'Mish',
  ],
  ...[
    'QuantizeLinear',
    'DequantizeLinear',
    'Concat',
    'Pad',
    'BatchNormalization',
    'Split',
    'Slice',
    'Identity',
  ],
]);

/** Value names to hints; what is not named lies in the order of its axes. */
export function hintsOf(
  graph: Graph,
  nodes: readonly Node[],
  dimsOf: (name: string) => readonly number[] | undefined,
): Map<string, Hint> {
  const last = new Set<string>();
  const spatial = (name: string) => (dimsOf(name)?.length ?? 0) >= 3 && !graph.initializers.has(name);
  for (const node of nodes) {
    const follows = FOLLOWS.has(node.op) && node.inputs.some((name) => last.has(name));
    if (!SPATIAL.has(node.op) && !follows) continue;
    for (const name of node.outputs) if (spatial(name)) last.add(name);
  }
  const borders = new Map<string, Border>();
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  for (const node of [...nodes].reverse()) {
    const [x = ''] = node.inputs;
    if (SPATIAL.has(node.op) && spatial(x)) {
      last.add(x);
      const border = borderOf(node, dimsOf(x)!.length - 2);
      if (border !== undefined)
        for (const name of upstream(x, makers)) borders.set(name, merged(borders.get(name), border));
    }
    if (FOLLOWS.has(node.op) && node.outputs.some((name) => last.has(name))) {
      for (const name of node.inputs) if (spatial(name)) last.add(name);
    }
  }
  return new Map([...last].map((name) => [name, { channelsLast: true, border: borders.get(name) }]));
}

/** The value, and what it is the dequantized or quantized form of: one of them will lie in memory. */
function upstream(name: string, makers: ReadonlyMap<string, Node>): string[] {
  const maker = makers.get(name);
  const through = maker?.op === 'DequantizeLinear' || maker?.op === 'QuantizeLinear';
  return through ? [name, ...upstream(maker.inputs[0]!, makers)] : [name];
}

function borderOf(node: Node, rank: number): Border | undefined {
  const auto = stringOf(node, 'auto_pad', 'NOTSET');
  const pads = intsOf(node, 'pads');
  if (
    node.op === 'ConvTranspose' ||
    auto !== 'NOTSET' ||
    pads === undefined ||
    pads.every((pad) => pad === 0)
  ) {
    return undefined;
  }
  return {
    before: pads.slice(0, rank),
    after: pads.slice(rank),
    fill: node.op === 'MaxPool' ? 'lowest' : 'zero',
  };
}

/** Room for both, where they can share it: else that of the later reader, which is seen first, stays. */
function merged(a: Border | undefined, b: Border): Border {
  if (a === undefined || a.before.length !== b.before.length) return b;
  if (a.fill !== b.fill) return a;
  const larger = (x: readonly number[], y: readonly number[]) => x.map((value, i) => Math.max(value, y[i]!));
  return { before: larger(a.before, b.before), after: larger(a.after, b.after), fill: a.fill };
}
