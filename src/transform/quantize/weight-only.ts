import { fail } from '../../base/index.ts';
import {
  attr,
  floatOf,
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
import { BLOCK_SIZES, type BlockedWeight, type BlockSize, quantizeBlocks } from './blocks.ts';
import { requireChange, unknownNotes, untilFused } from './checked.ts';
import { addConstant } from './emit.ts';
import { constantIn, type Scope, scopesOf } from './scopes.ts';
import { excluder, type Selection } from './selection.ts';
import { withNames } from './static.ts';
import { quantizeOperand, quantizeWeight } from './weights.ts';

export interface WeightOnlyOptions extends Selection {
  readonly bits: 4 | 8;
  /** Weights that share a scale, along the sum: 16, 32, 64, 128 or 256. */
  readonly blockSize: BlockSize;
  /** No zero points: smaller, a little less exact. */
  readonly symmetric: boolean;
  /**
   * How MatMulNBits computes: 4 quantizes activations on the fly to int8 (the fast one), 1 computes in float32,
   * 0 leaves it to the runtime.
   */
  readonly accuracyLevel: 0 | 1 | 2 | 3 | 4;
  /** How scales (and zero points) are chosen in 4 bits; 8 bits always cover the largest weight. */
  readonly fit: 'minmax' | 'mse' | 'hqq';
  /** Also keeps Conv weights and Gather tables in int8: a smaller file. Computation stays in float. */
  readonly storage: boolean;
  /** Weights of fewer elements stay as they are: the node's own parameters would eat the gain. */
  readonly least: number;
  /** Reads what the runtime executes, and takes back to float what does not fuse. */
  readonly check: boolean;
}

export const WEIGHT_ONLY_DEFAULTS: WeightOnlyOptions = {
  bits: 4,
  blockSize: 32,
  symmetric: true,
  accuracyLevel: 4,
  fit: 'mse',
  storage: false,
  least: 1024,
  check: true,
};

/** Weight-only quantization: MatMul and Gemm with constant weights become MatMulNBits, in nested graphs as well. */
export const weightOnlyQuantization: Pass<WeightOnlyOptions> = {
  name: 'quantize-weights',
  summary: 'weights in 4 or 8 bits by blocks (MatMulNBits); activations stay in float; needs no data',
  defaults: WEIGHT_ONLY_DEFAULTS,
  error: ({ bits }): DeclaredError => ({ kind: 'lossy', why: `weights are rounded to ${bits} bits` }),
  async apply(model: Model, options: WeightOnlyOptions): Promise<PassResult> {
    return quantizeWeightsOnly(model, options);
  },
};

/** The pass with weights that were rounded elsewhere (by node name): checked, and taken back to float where nothing fuses. */
export async function quantizeWeightsOnly(
  model: Model,
  options: WeightOnlyOptions,
  prepared?: ReadonlyMap<string, Prepared>,
): Promise<PassResult> {
  requireBlockSize(options);
  if (!options.check) return { ...rewriteWeights(model, options, prepared), modified: true };
  return untilFused((more) =>
    rewriteWeights(model, { ...options, exclude: [...(options.exclude ?? []), ...more] }, prepared),
  );
}

/** Throws USAGE_BAD_OPTION. */
export function requireBlockSize({ blockSize }: Pick<WeightOnlyOptions, 'blockSize'>): void {
  if (BLOCK_SIZES.includes(blockSize)) return;
  throw fail('USAGE_BAD_OPTION', `no block size ${blockSize}; there are ${BLOCK_SIZES.join(', ')}`);
}

/** A weight that was rounded elsewhere, and what to say of it. */
export interface Prepared {
  readonly made: BlockedWeight;
  readonly told: string;
  /** Added to what the node gives: float32 [n]. */
  readonly shift?: Tensor;
}

/** The rewriting itself, unchecked. `prepared`: weights by the name of the node that multiplies them; the rest is rounded here. */
export function rewriteWeights(
  model: Model,
  options: WeightOnlyOptions,
  prepared: ReadonlyMap<string, Prepared> = new Map(),
): { model: Model; notes: PassNote[] } {
  const result = withNames(model);
  const scopes = [...scopesOf(result)];
  const nodes = scopes.flatMap(({ graph }) => graph.nodes);
  const heavy = nodes.filter((node) => node.domain === '' && HEAVY.has(node.op));
  const excluded = excluder(options, heavy);
  const rewriter = new Rewriter(namer(result.graph), options, result.opsets.get('') ?? 1, prepared);
  const notes: PassNote[] = [];
  for (const scope of scopes) {
    for (const node of [...scope.graph.nodes]) {
      const stored = options.storage && STORED.has(node.op);
      if (node.domain !== '' || !(PRODUCTS.has(node.op) || stored)) continue;
      const outcome = excluded(node) ?? rewriter.rewrite(scope, node);
      const refused = typeof outcome === 'string';
      notes.push({
        node: node.name,
        op: node.op,
        action: refused ? 'refused' : 'changed',
        why: refused ? outcome : outcome.done,
      });
    }
  }
  requireChange(notes, 'it has no MatMul or Gemm');
  notes.push(...unknownNotes(options, nodes));
  if (rewriter.usedMicrosoft) result.opsets.set('com.microsoft', 1);
  for (const { graph } of scopes) sortNodes(graph);
  removeDead(result.graph);
  return { model: result, notes };
}

const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'Gemm']);
const STORED: ReadonlySet<string> = new Set(['Conv', 'Gather']);
const HEAVY: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'Conv']);

type Outcome = string | { readonly done: string };

class Rewriter {
  usedMicrosoft = false;
  readonly #name: (stem: string) => string;
  readonly #options: WeightOnlyOptions;
  readonly #opset: number;
  /** Inputs B, scales and zero points of weights already packed, by graph and weight. */
  readonly #packed = new Map<string, { inputs: string[]; k: number; n: number; told: string }>();
  readonly #prepared: ReadonlyMap<string, Prepared>;
  readonly #scopes = new Map<Scope, number>();

  constructor(
    name: (stem: string) => string,
    options: WeightOnlyOptions,
    opset: number,
    prepared: ReadonlyMap<string, Prepared>,
  ) {
    this.#prepared = prepared;
    this.#name = name;
    this.#options = options;
    this.#opset = opset;
  }

  /** Rewrites a node in place; a reason where it cannot be. */
  rewrite(scope: Scope, node: Node): Outcome {
    return PRODUCTS.has(node.op) ? this.#product(scope, node) : this.#store(scope, node);
  }

  #product(scope: Scope, node: Node): Outcome {
    const gemm = node.op === 'Gemm';
    if (gemm && intOf(node, 'transA', 0) !== 0) return 'transA cannot be written as MatMulNBits';
    if (gemm && floatOf(node, 'alpha', 1) !== 1) return 'alpha is not 1';
    if (gemm && node.inputs[2] && floatOf(node, 'beta', 1) !== 1) return 'beta is not 1';
    const tensor = constantIn(scope, node.inputs[1]!);
    const problem = this.#weightProblem(tensor);
    if (tensor === undefined || problem !== undefined) return problem ?? 'its weight is not constant';
    if (tensor.dims.length !== 2) return `its weight is [${tensor.dims}], not a matrix`;
    const transposed = gemm && intOf(node, 'transB', 0) !== 0;
    const { inputs, k, n, told } = this.#pack(scope, node, tensor, transposed);
    const { bits, blockSize, accuracyLevel } = this.#options;
    const added = gemm ? node.inputs[2] : undefined;
    const bias = added ? this.#biasRow(scope, added, n) : undefined;
    const shift = this.#prepared.get(node.name)?.shift;
    const apart = added !== undefined && added !== '' && bias === undefined;
    const result = apart ? this.#name(`${node.outputs[0]}_product`) : node.outputs[0]!;
    // Inputs 3 to 5: zero points, the deprecated g_idx, the bias.
    const all = [node.inputs[0]!, ...inputs];
    const row = shift === undefined ? bias : this.#shifted(scope, node, bias, shift);
    if (row) all.push(...Array<string>(5 - all.length).fill(''), row);
    const made = makeNode(
      'MatMulNBits',
      all,
      [result],
      {
        K: attr.int(k),
        N: attr.int(n),
        bits: attr.int(bits),
        block_size: attr.int(blockSize),
        accuracy_level: attr.int(accuracyLevel),
      },
      { name: node.name, domain: 'com.microsoft' },
    );
    insertBefore(scope.graph, node, made);
    if (apart) {
      const name = this.#name(`${node.name}:bias`);
      insertBefore(scope.graph, node, makeNode('Add', [result, added], [node.outputs[0]!], {}, { name }));
    }
    scope.graph.nodes.splice(scope.graph.nodes.indexOf(node), 1);
    this.usedMicrosoft = true;
    return { done: `${bits}-bit weights in blocks of ${blockSize} (${told})` };
  }

  /** The bias as the row [n] that MatMulNBits demands; undefined where it is another shape, or not constant, and must be added apart. */
  #biasRow(scope: Scope, value: string, n: number): string | undefined {
    const tensor = constantIn(scope, value);
    if (tensor?.dtype !== 'float32') return undefined;
    if (tensor.dims.length === 1 && tensor.size === n) return value;
    if (tensor.size !== 1 && (tensor.size !== n || tensor.dims.at(-1) !== n)) return undefined;
    const row = this.#name(`${value}_row`);
    const values = tensor.as('float32');
    scope.graph.initializers.set(
      row,
      tensor.size === 1 ? Tensor.float32([n], new Float32Array(n).fill(values[0]!)) : tensor.reshape([n]),
    );
    return row;
  }

  #shifted(scope: Scope, node: Node, bias: string | undefined, shift: Tensor): string {
    const old = bias === undefined ? undefined : constantIn(scope, bias)!.as('float32');
    const values = shift.as('float32').map((by, i) => by + (old?.[i] ?? 0));
    const name = this.#name(`${bias ?? node.outputs[0]}_shifted`);
    scope.graph.initializers.set(name, Tensor.float32(shift.dims, values));
    return name;
  }

  #weightProblem(tensor: Tensor | undefined): string | undefined {
    if (tensor === undefined) return 'its weight is not constant';
    if (tensor.dtype !== 'float32') return `its weight is ${tensor.dtype}, not float32`;
    const { least } = this.#options;
    return tensor.size < least ? `its weight has ${tensor.size} elements, fewer than ${least}` : undefined;
  }

  #pack(scope: Scope, node: Node, tensor: Tensor, transposed: boolean) {
    const value = node.inputs[1]!;
    const at = this.#scopes.get(scope) ?? this.#scopes.size;
    this.#scopes.set(scope, at);
    const key = `${at}:${transposed}:${value}`;
    let found = this.#packed.get(key);
    if (found === undefined) {
      const { made, told } = this.#prepared.get(node.name) ?? this.#round(tensor, transposed);
      const inputs = [this.#name(`${value}_q${this.#options.bits}`), this.#name(`${value}_scales`)];
      scope.graph.initializers.set(inputs[0]!, made.packed);
      scope.graph.initializers.set(inputs[1]!, made.scales);
      if (made.zeroPoints !== undefined) {
        inputs.push(this.#name(`${value}_zero_points`));
        scope.graph.initializers.set(inputs[2]!, made.zeroPoints);
      }
      found = { inputs, k: made.k, n: made.n, told };
      this.#packed.set(key, found);
    }
    return found;
  }

  #round(tensor: Tensor, transposed: boolean): Prepared {
    const made = quantizeBlocks(tensor, transposed, this.#options);
    const { relativeError: error } = made;
    return { made, told: `weights ${error > 0 ? `${(-10 * Math.log10(error)).toFixed(1)} dB` : 'exact'}` };
  }

  /** Conv: DQ(int8) before it. Gather: the table in int8, and a DQ of what was gathered, not of the table. */
  #store(scope: Scope, node: Node): Outcome {
    const slot = node.op === 'Conv' ? 1 : 0;
    const tensor = constantIn(scope, node.inputs[slot]!);
    const problem = this.#weightProblem(tensor);
    if (tensor === undefined || problem !== undefined) return problem ?? 'its weight is not constant';
    if (this.#opset < 13)
      return `per-channel DequantizeLinear came with opset 13, the model has ${this.#opset}`;
    // Half-quadratic splitting is for blocks alone.
    const fit = this.#options.fit === 'minmax' ? 'minmax' : 'mse';
    if (node.op === 'Conv') {
      const constant = quantizeWeight(tensor, { axis: 0, fit });
      node.inputs[1] = addConstant(scope.graph, this.#name, node.inputs[1]!, constant);
      return { done: 'stored in int8, computed in float' };
    }
    const { values, scale, zeroPoint } = quantizeOperand(tensor, 'int8');
    const names = [values, scale, zeroPoint].map((made, i) => {
      const name = this.#name(`${node.inputs[0]}_${['q', 'scale', 'zero_point'][i]}`);
      scope.graph.initializers.set(name, made);
      return name;
    }) as [string, string, string];
    const result = node.outputs[0]!;
    const gathered = this.#name(`${result}_q`);
    node.inputs[0] = names[0];
    node.outputs[0] = gathered;
    const dq = makeNode(
      'DequantizeLinear',
      [gathered, names[1], names[2]],
      [result],
      {},
      { name: this.#name(`${result}:DQ`) },
    );
    scope.graph.nodes.push(dq);
    return { done: 'table stored in int8' };
  }
}
