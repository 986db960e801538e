import {
  attr,
  DTYPES,
  floatOf,
  type Graph,
  insertBefore,
  intOf,
  type Model,
  makeNode,
  type Node,
  namer,
  removeDead,
  sortNodes,
  Tensor,
} from '../../graph/index.ts';
import type { DeclaredError, Pass, PassNote, PassResult } from '../pass.ts';
import { requireChange, unknownNotes, untilFused } from './checked.ts';
import { dynamicLstm } from './dynamic-lstm.ts';
import { constantIn, type Scope, scopesOf } from './scopes.ts';
import { excluder, type Selection } from './selection.ts';
import { requireOpset, withNames } from './static.ts';
import { type QuantizedConstant, quantizeWeight } from './weights.ts';

export interface DynamicOptions extends Selection {
  /** One scale for each output channel of a weight. */
  readonly perChannel: boolean;
  /** 7-bit weights, for x64 without VNNI. */
  readonly reduceRange: boolean;
  readonly weightFit: 'minmax' | 'mse';
  /** Reads what the runtime executes, and takes back to float what does not fuse. */
  readonly check: boolean;
}

export const DYNAMIC_DEFAULTS: DynamicOptions = {
  perChannel: true,
  reduceRange: false,
  weightFit: 'minmax',
  check: true,
};

/** DynamicQuantizeLinear came with opset 11. */
const LEAST_OPSET = 11;

/**
 * Dynamic 8-bit quantization: the ranges of activations are taken anew in each run, so no data is needed. MatMul, Gemm and LSTM with
 * constant weights, in nested graphs as well. Convolutions are refused: nothing of theirs fuses, and they would be slower.
 */
export const dynamicQuantization: Pass<DynamicOptions> = {
  name: 'quantize-dynamic',
  summary: 'weights of MatMul, Gemm and LSTM in 8 bits, activations quantized on the fly; needs no data',
  defaults: DYNAMIC_DEFAULTS,
  error: (): DeclaredError => ({ kind: 'lossy', why: 'weights and activations are rounded to 8 bits' }),
  async apply(model: Model, options: DynamicOptions): Promise<PassResult> {
    if (!options.check) return { ...rewriteDynamic(model, options), modified: true };
    return untilFused((more) =>
      rewriteDynamic(model, { ...options, exclude: [...(options.exclude ?? []), ...more] }),
    );
  },
};

function rewriteDynamic(model: Model, options: DynamicOptions): { model: Model; notes: PassNote[] } {
  const result = withNames(model);
  requireOpset(result, LEAST_OPSET);
  const scopes = [...scopesOf(result)];
  const nodes = scopes.flatMap(({ graph }) => graph.nodes);
  const heavy = nodes.filter((node) => HEAVY.has(node.op) && node.domain === '');
  const excluded = excluder(options, heavy);
  const notes: PassNote[] = [];
  const name = namer(result.graph);
  for (const scope of scopes) {
    const rewriter = new Rewriter(scope, name, options);
    for (const node of [...scope.graph.nodes]) {
      if (!HEAVY.has(node.op) || node.domain !== '') continue;
      const why = excluded(node) ?? rewriter.rewrite(node);
      const action = why === undefined ? 'changed' : 'refused';
      notes.push({ node: node.name, op: node.op, action, why: why ?? 'weights in 8 bits' });
    }
  }
  requireChange(notes, 'it has no MatMul, Gemm or LSTM');
  notes.push(...unknownNotes(options, nodes));
  if (scopes.some(({ graph }) => graph.nodes.some((node) => node.domain === 'com.microsoft'))) {
    result.opsets.set('com.microsoft', 1);
  }
  for (const { graph } of scopes) sortNodes(graph);
  removeDead(result.graph);
  return { model: result, notes };
}

const HEAVY: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'LSTM', 'Conv', 'GRU', 'RNN']);

class Rewriter {
  readonly #scope: Scope;
  readonly #graph: Graph;
  readonly #name: (stem: string) => string;
  readonly #options: DynamicOptions;
  /** Quantized activations of this graph: one DynamicQuantizeLinear for all that read a value. */
  readonly #activations = new Map<string, readonly [q: string, scale: string, zeroPoint: string]>();
  readonly #weights = new Map<
    string,
    { constant: QuantizedConstant; names: readonly [string, string, string] }
  >();

  constructor(scope: Scope, name: (stem: string) => string, options: DynamicOptions) {
    this.#scope = scope;
    this.#graph = scope.graph;
    this.#name = name;
    this.#options = options;
  }

  /** Replaces a node in place; the reason where it cannot be. */
  rewrite(node: Node): string | undefined {
    if (node.op === 'MatMul' || node.op === 'Gemm') return this.#product(node);
    if (node.op !== 'LSTM') return `a dynamic ${node.op} does not fuse in the runtime: it would be slower`;
    return dynamicLstm(this.#scope, node, this.#name, this.#options);
  }

  #product(node: Node): string | undefined {
    const gemm = node.op === 'Gemm';
    if (gemm && intOf(node, 'transA', 0) !== 0) return 'transA cannot be written as MatMulInteger';
    if (gemm && floatOf(node, 'alpha', 1) !== 1) return 'alpha is not 1';
    if (gemm && node.inputs[2] && floatOf(node, 'beta', 1) !== 1) return 'beta is not 1';
    const tensor = constantIn(this.#scope, node.inputs[1]!);
    if (tensor === undefined) return 'its weight is not constant';
    if (tensor.dtype !== 'float32') return `its weight is ${tensor.dtype}, not float32`;
    if (tensor.dims.length !== 2 || tensor.size === 0) return `its weight is [${tensor.dims}], not a matrix`;
    const transposed = gemm && intOf(node, 'transB', 0) !== 0;
    const [q, scale, zero] = this.#activation(node.inputs[0]!);
    const [w, wScale, wZero] = this.#weight(node.inputs[1]!, tensor, transposed);
    const bias = gemm ? node.inputs[2] : undefined;
    const stem = node.outputs[0]!;
    const [sum, cast, factor] = [`${stem}_int32`, `${stem}_cast`, `${stem}_factor`].map(this.#name) as [
      string,
      string,
      string,
    ];
    const product = bias ? this.#name(`${stem}_product`) : stem;
    const made = [
      makeNode('MatMulInteger', [q, w, zero, wZero], [sum], {}, { name: node.name }),
      makeNode(
        'Cast',
        [sum],
        [cast],
        { to: attr.int(DTYPES.float32.onnx) },
        { name: this.#name(`${node.name}:cast`) },
      ),
      makeNode('Mul', [scale, wScale], [factor], {}, { name: this.#name(`${node.name}:scales`) }),
      makeNode('Mul', [cast, factor], [product], {}, { name: this.#name(`${node.name}:scale`) }),
    ];
    if (bias)
      made.push(makeNode('Add', [product, bias], [stem], {}, { name: this.#name(`${node.name}:bias`) }));
    this.#replace(node, made);
    return undefined;
  }

  #replace(node: Node, made: Node[]): void {
    insertBefore(this.#graph, node, ...made);
    this.#graph.nodes.splice(this.#graph.nodes.indexOf(node), 1);
  }

  #activation(value: string): readonly [string, string, string] {
    let names = this.#activations.get(value);
    if (names === undefined) {
      names = [this.#name(`${value}_q`), this.#name(`${value}_scale`), this.#name(`${value}_zero_point`)];
      const node = makeNode(
        'DynamicQuantizeLinear',
        [value],
        [...names],
        {},
        { name: this.#name(`${value}:Q`) },
      );
      this.#graph.nodes.push(node);
      this.#activations.set(value, names);
    }
    return names;
  }

  #weight(value: string, tensor: Tensor, transposed: boolean): readonly [string, string, string] {
    const key = `${transposed}:${value}`;
    let found = this.#weights.get(key);
    if (found === undefined) {
      const { perChannel, reduceRange: reduce, weightFit: fit } = this.#options;
      const matrix = transposed ? transpose(tensor) : tensor;
      // Columns are the output channels, whatever way the weight was stored.
      const constant = quantizeWeight(matrix, { axis: perChannel ? 1 : undefined, reduce, fit });
      const names = [
        this.#name(`${value}_q`),
        this.#name(`${value}_scale`),
        this.#name(`${value}_zero_point`),
      ] as const;
      this.#graph.initializers.set(names[0], constant.values);
      this.#graph.initializers.set(names[1], constant.scale);
      this.#graph.initializers.set(names[2], constant.zeroPoint);
      found = { constant, names };
      this.#weights.set(key, found);
    }
    return found.names;
  }
}

/** A float32 matrix with rows and columns swapped. */
export function transpose(matrix: Tensor): Tensor {
  const [rows, columns] = matrix.dims as [number, number];
  const from = matrix.as('float32');
  const to = new Float32Array(from.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) to[column * rows + row] = from[row * columns + column]!;
  }
  return Tensor.float32([columns, rows], to);
}
