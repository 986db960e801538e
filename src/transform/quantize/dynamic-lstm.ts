import { makeNode, type Node, stringOf, Tensor } from '../../graph/index.ts';
import { constantIn, type Scope } from './scopes.ts';
import { quantizeWeight } from './weights.ts';

export interface LstmOptions {
  readonly perChannel: boolean;
  readonly reduceRange: boolean;
  readonly weightFit: 'minmax' | 'mse';
}

/** Attributes that DynamicQuantizeLSTM shares with LSTM. */
const SHARED = [
  'activation_alpha',
  'activation_beta',
  'activations',
  'clip',
  'direction',
  'hidden_size',
  'input_forget',
];

/**
 * Replaces an LSTM by com.microsoft DynamicQuantizeLSTM: input and recurrent weights in int8, transposed to [directions, size,
 * 4 * hidden] as it wants them, with one scale for each column (or direction). Returns the reason where it cannot.
 */
export function dynamicLstm(
  scope: Scope,
  node: Node,
  name: (stem: string) => string,
  options: LstmOptions,
): string | undefined {
  if (stringOf(node, 'layout', '') !== '' || (node.attributes.get('layout')?.value ?? 0) !== 0) {
    return 'batch-first layout is not known to the quantized kernel';
  }
  const weights = [1, 2].map((input) => constantIn(scope, node.inputs[input] ?? ''));
  const [input, recurrent] = weights;
  if (input === undefined || recurrent === undefined) return 'its weights are not constant';
  for (const tensor of [input, recurrent]) {
    if (tensor.dtype !== 'float32') return `its weights are ${tensor.dtype}, not float32`;
    if (tensor.dims.length !== 3) return `its weights are [${tensor.dims}]`;
  }
  const w = addWeight(scope, node.inputs[1]!, input, name, options);
  const r = addWeight(scope, node.inputs[2]!, recurrent, name, options);
  const inputs = Array.from({ length: 8 }, (_, i) => node.inputs[i] ?? '');
  inputs[1] = w[0];
  inputs[2] = r[0];
  const made = makeNode(
    'DynamicQuantizeLSTM',
    [...inputs, w[1], w[2], r[1], r[2]],
    node.outputs,
    {},
    { name: node.name, domain: 'com.microsoft' },
  );
  for (const attribute of SHARED) {
    const value = node.attributes.get(attribute);
    if (value !== undefined) made.attributes.set(attribute, value);
  }
  scope.graph.nodes[scope.graph.nodes.indexOf(node)] = made;
  return undefined;
}

function addWeight(
  { graph }: Scope,
  value: string,
  tensor: Tensor,
  name: (stem: string) => string,
  { perChannel, reduceRange: reduce, weightFit: fit }: LstmOptions,
): [string, string, string] {
  const [directions, rows, columns] = tensor.dims as [number, number, number];
  const size = rows * columns;
  const from = tensor.as('float32');
  const q = new Int8Array(from.length);
  const scales: number[] = [];
  for (let direction = 0; direction < directions; direction++) {
    const matrix = Tensor.float32([rows, columns], from.subarray(direction * size, (direction + 1) * size));
    const constant = quantizeWeight(matrix, { axis: perChannel ? 0 : undefined, reduce, fit });
    const values = constant.values.as('int8');
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        q[direction * size + column * rows + row] = values[row * columns + column]!;
      }
    }
    scales.push(...constant.scale.numbers());
  }
  const shape = perChannel ? [directions, rows] : [directions];
  const names: [string, string, string] = [
    name(`${value}_q`),
    name(`${value}_scale`),
    name(`${value}_zero_point`),
  ];
  graph.initializers.set(names[0], Tensor.of('int8', [directions, columns, rows], q));
  graph.initializers.set(names[1], Tensor.float32(shape, scales));
  graph.initializers.set(names[2], Tensor.of('int8', shape, new Int8Array(scales.length)));
  return names;
}
