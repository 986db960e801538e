import { Random } from '../src/base/index.ts';
import type { ExitCut } from '../src/exits/index.ts';
import { attr, type Dim, type Model, makeGraph, makeNode, Tensor, tensorType } from '../src/graph/index.ts';
import type { ConfidenceKind } from '../src/staged/index.ts';
import { Net, normals } from './quantize-nets.ts';

/** A classifier with exit heads, and where to cut it. */
export interface ExitNet {
  readonly model: Model;
  readonly exits: readonly ExitCut[];
  /** Sizes of one sample. */
  readonly dims: readonly number[];
  readonly story: string;
}

export interface ExitNetOptions {
  readonly exits?: number;
  readonly batch?: Dim;
  readonly confidence?: ConfidenceKind;
  readonly scale?: 'logits' | 'probabilities';
  readonly temperature?: number;
  readonly classes?: number;
  /** Of all exits; else one that about half of the samples reach. */
  readonly threshold?: number;
  readonly opset?: number;
}

/**
 * Random classifiers for tests of exits: dense or convolutional blocks with residuals; some reshape by sizes that the graph computes from
 * the batch, some have an If that reads a value of the first block, all have two outputs: scores and a regression.
 */
export function exitNet(seed: number, options: ExitNetOptions = {}): ExitNet {
  const random = new Random(Math.imul(seed, 0x9e3779b1));
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!;
  const net = new Net(seed + 1000);
  const conv = pick([true, false]);
  const { exits: count = 1 + random.below(3), batch = 'N', classes = pick([1, 2, 5]) } = options;
  const confidence = options.confidence ?? pick(['max-probability', 'margin', 'entropy'] as const);
  const scale = options.scale ?? pick(['logits', 'probabilities'] as const);
  const temperature = options.temperature ?? pick([1, 0.7, 2.5]);
  const dims = conv ? [2, 6, 6] : [12];
  const width = conv ? 6 : 10;
  const features = width;
  const opset = options.opset ?? pick([11, 13, 17, 18, 21]);
  const parts = [
    `seed ${seed}, opset ${opset}, ${conv ? 'conv' : 'dense'}, ${count} exits, ${confidence} of ${classes} ${scale}`,
  ];

  const block = (x: string, from: number): string =>
    net.relu(conv ? net.conv(x, from, width) : net.gemm(x, from, width));
  const flat = (x: string): string => {
    const pooled = conv ? net.op('GlobalAveragePool', [x]) : x;
    if (pick([true, false])) return net.op('Flatten', [pooled]);
    parts.push('sizes from the batch');
    const size = net.op('Shape', [x]);
    const first = net.op('Gather', [size, net.constant(Tensor.int64([1], [0]))]);
    const shape = net.op('Concat', [first, net.constant(Tensor.int64([1], [features]))], {
      axis: attr.int(0),
    });
    return net.op('Reshape', [pooled, shape]);
  };
  const head = (x: string): [scores: string, value: string] => {
    const f = flat(x);
    const logits = net.gemm(f, features, classes);
    const value = net.gemm(f, features, 2);
    if (scale === 'logits') return [logits, value];
    return [
      net.op(classes === 1 ? 'Sigmoid' : 'Softmax', [logits], classes === 1 ? {} : { axis: attr.int(1) }),
      value,
    ];
  };

  let x = block('x', dims[0]!);
  const first = x;
  const exits: ExitCut[] = [];
  const found: { scores: string; value: string }[] = [];
  for (let i = 0; i < count; i++) {
    if (i > 0 || pick([true, false])) {
      const deeper = block(x, width);
      x = pick([true, false]) ? net.op('Add', [deeper, first]) : deeper;
    }
    const [scores, value] = head(x);
    found.push({ scores, value });
    exits.push({
      cut: [x],
      answers: {},
      exit: {
        scores,
        scale,
        temperature,
        confidence,
        threshold: options.threshold ?? 0.2 + 0.5 * random.uniform(),
      },
    });
    x = block(x, width);
  }
  if (pick([true, false])) {
    parts.push('an If that reads the first block');
    x = choice(net, x, first);
  }
  const [scores, value] = head(x);
  const model = net.model([batch, ...dims], [], opset);
  const y = net.op('Identity', [scores], {}, ['y']);
  const z = net.op('Identity', [value], {}, ['z']);
  model.graph.outputs = [
    { name: y, type: tensorType('float32', [batch, classes]) },
    { name: z, type: tensorType('float32', [batch, 2]) },
  ];
  const whole = exits.map((cut, i) => ({ ...cut, answers: { y: found[i]!.scores, z: found[i]!.value } }));
  return { model, exits: whole, dims, story: parts.join(', ') };
}

/** x + first by an If whose condition always holds, which only the values tell; both are read from inside of the branches. */
function choice(net: Net, x: string, first: string): string {
  const least = net.op('ReduceMin', [first], { keepdims: attr.int(0) });
  const yes = net.op('Greater', [least, net.constant(Tensor.float32([], [-1]))]);
  const branch = (op: string) =>
    makeGraph({
      name: op,
      inputs: [],
      outputs: [{ name: `${op}_branch`, type: tensorType('float32', undefined) }],
      nodes: [makeNode(op, [x, first], [`${op}_branch`])],
    });
  return net.op('If', [yes], {
    then_branch: attr.graph(branch('Add')),
    else_branch: attr.graph(branch('Sub')),
  });
}

/** `samples` normal samples. */
export function exitFeeds(net: ExitNet, samples: number, seed = 5): { x: Tensor } {
  return { x: normals(new Random(seed), [samples, ...net.dims], 1.5) };
}
