import {
  cloneModel,
  constantOf,
  type Graph,
  intOf,
  type Model,
  makeNode,
  type Node,
  namer,
  removeDead,
  sortNodes,
  Tensor,
} from '../../../graph/index.ts';
import { dequantizeConstant } from '../fusion-rewrite.ts';
import { paramsOf, type QRange, quantizeInto, rangeOf } from '../numbers.ts';
import { QdqView } from '../qdq-view.ts';
import { biasFloor, channelLayout, quantizeBias } from '../weights.ts';
import { defineFakeQuantize, fakeQuantizeNode } from './fake-quantize.ts';
import { exponentials, type Learnable, type LearnableOptions, logarithms } from './learnable.ts';
import { biased, pairsOf } from './pairs.ts';

/** A scale of the quantized model that is learned. */
interface LearnedScale {
  /** Initializer of the view: natural logarithms, of a shape that broadcasts over what is scaled. */
  readonly log: string;
  /** Initializers of the quantized model that hold it. */
  readonly holders: readonly string[];
}

interface LearnedWeight {
  /** Initializer of the view; undefined where the integers stay. */
  readonly weight: string | undefined;
  /** Of the quantized model: integers, scale, zero point. */
  readonly names: readonly [codes: string, scale: string, zeroPoint: string];
  readonly range: QRange;
  readonly axis: number | undefined;
}

interface LearnedBias {
  readonly bias: string;
  readonly names: readonly [codes: string, scale: string];
  /** Scales that multiply to its own; initializers of the quantized model. */
  readonly inputScale: string;
  readonly weightScale: string;
}

/** The numbers that weights of static quantization may take, as its options say them. */
export interface WeightNumbers {
  readonly bits: 4 | 8;
  readonly reduce: boolean;
}

/**
 * Makes a model of static quantization trainable. `quantized`: QuantizeLinear and DequantizeLinear with constant parameters.
 * `float`: the model that it was made from, with the same node names: weights begin at what they were before they were
 * rounded.
 */
export function learnableQdq(
  quantized: Model,
  float: Model,
  options: LearnableOptions & WeightNumbers,
): Learnable {
  const { bits, reduce, rounded = false, learned } = options;
  const made = new ViewMaker(quantized, float, weightRange(bits, reduce), rounded).make();
  const { view, scales, weights, biases } = made;
  const inner = [
    ...weights.flatMap(({ weight }) => weight ?? []),
    ...biases.map(({ bias }) => bias),
    ...scales.map(({ log }) => log),
  ];
  const rest = learned(view).filter(
    (name) => !inner.includes(name) && quantized.graph.initializers.has(name),
  );
  return {
    model: view,
    weights: [...inner, ...rest],
    quantized(values, into = quantized) {
      const model = cloneModel(into);
      const { initializers } = model.graph;
      const value = (name: string) => values.get(name) ?? view.graph.initializers.get(name)!;
      for (const name of rest) if (initializers.has(name)) initializers.set(name, value(name));
      for (const { log, holders } of scales) {
        const found = exponentials(value(log).as('float32'));
        for (const holder of holders) {
          initializers.set(holder, Tensor.float32(initializers.get(holder)!.dims, found));
        }
      }
      for (const bias of biases) raiseScale(initializers, bias, value(bias.bias));
      for (const { weight, names, range, axis } of weights) {
        if (weight === undefined) continue;
        initializers.set(names[0], codesOf(value(weight), initializers, names, range, axis));
      }
      for (const { bias, names, inputScale, weightScale } of biases) {
        const [x, w] = [inputScale, weightScale].map((name) => initializers.get(name)!.as('float32'));
        const done = quantizeBias(value(bias), x![0]!, w!);
        initializers.set(names[0], done.values);
        initializers.set(names[1], done.scale);
      }
      return model;
    },
  };
}

function weightRange(bits: 4 | 8, reduce: boolean): QRange {
  return bits === 4 ? rangeOf('int4', { symmetric: true }) : rangeOf('int8', { symmetric: true, reduce });
}

/** A channel of nearly zero weights and a large bias needs a coarser scale, see biasFloor. */
function raiseScale(
  initializers: Map<string, Tensor>,
  { inputScale, weightScale }: LearnedBias,
  bias: Tensor,
): void {
  const scales = initializers.get(weightScale)!;
  const floor = biasFloor(bias, initializers.get(inputScale)!.numbers()[0]!, scales.size);
  const raised = scales.as('float32').map((scale, i) => Math.max(scale, Math.fround(floor[i]!)));
  initializers.set(weightScale, Tensor.float32(scales.dims, raised));
}

function codesOf(
  real: Tensor,
  initializers: ReadonlyMap<string, Tensor>,
  [codes, scale, zeroPoint]: LearnedWeight['names'],
  range: QRange,
  axis: number | undefined,
): Tensor {
  const type = initializers.get(codes)!.dtype === 'int8' ? 'int8' : 'uint8';
  const values = real.as('float32');
  const into = type === 'int8' ? new Int8Array(values.length) : new Uint8Array(values.length);
  const zero = initializers.get(zeroPoint)?.numbers()[0] ?? 0;
  const { channels, outer, inner } = channelLayout(real.dims, axis);
  const scales = initializers.get(scale)!.as('float32');
  for (let channel = 0; channel < channels; channel++) {
    const params = { ...paramsOf(0, 1, type), scale: scales[channel]!, zeroPoint: zero, range };
    for (let run = 0; run < outer; run++) {
      quantizeInto(values, into, params, (run * channels + channel) * inner, inner);
    }
  }
  return Tensor.of(type, real.dims, into);
}

class ViewMaker {
  readonly #view: Model;
  readonly #graph: Graph;
  readonly #qdq: QdqView;
  readonly #float: Model;
  readonly #range: QRange;
  readonly #rounded: boolean;
  readonly #name: (stem: string) => string;
  readonly #scales: LearnedScale[] = [];
  readonly #weights: LearnedWeight[] = [];
  readonly #biases: LearnedBias[] = [];
  readonly #numbers = new Map<number, string>();
  #gone = new Set<Node>();

  constructor(quantized: Model, float: Model, range: QRange, rounded: boolean) {
    this.#rounded = rounded;
    this.#view = cloneModel(quantized);
    this.#graph = this.#view.graph;
    this.#qdq = new QdqView({ graph: this.#graph, outer: undefined });
    this.#float = float;
    this.#range = range;
    this.#name = namer(this.#graph);
  }

  make() {
    const constants = this.#graph.nodes.filter(
      (node) => node.op === 'DequantizeLinear' && this.#qdq.constant(node.inputs[0]) !== undefined,
    );
    // What they read of the graph is read before it is changed.
    const steps = [...this.#pairs(), ...constants.map((dq) => this.#constant(dq))];
    for (const step of steps) step();
    this.#graph.nodes = this.#graph.nodes.filter((node) => !this.#gone.has(node));
    defineFakeQuantize(this.#view);
    removeDead(this.#graph);
    sortNodes(this.#graph);
    return { view: this.#view, scales: this.#scales, weights: this.#weights, biases: this.#biases };
  }

  #number(value: number): string {
    let name = this.#numbers.get(value);
    if (name === undefined) {
      name = this.#name(`quantized_end_${value}`);
      this.#graph.initializers.set(name, Tensor.float32([], [value]));
      this.#numbers.set(value, name);
    }
    return name;
  }

  #pairs(): (() => void)[] {
    const pairs = pairsOf(this.#qdq);
    const scales = new Map<Node, string>();
    return pairs.map((pair) => () => {
      const { quantizer, dequantizers, root, idle, fixed } = pair;
      const params = this.#qdq.params(quantizer)!;
      let scale = scales.get(root);
      if (scale === undefined) {
        const holders = pairs
          .filter((other) => other.root === root)
          .flatMap((other) => [other.quantizer, ...other.dequantizers].map((node) => node.inputs[1]!));
        const held = params.scale.numbers();
        scale = fixed
          ? this.#put(`${quantizer.inputs[1]}_fixed`, Tensor.float32([], held))
          : this.#learnedScale(quantizer.inputs[1]!, [...new Set(holders)], [], held);
        scales.set(root, scale);
      }
      this.#gone.add(quantizer);
      for (const [i, dq] of dequantizers.entries()) {
        this.#gone.add(dq);
        const [from, to] = [quantizer.inputs[0]!, dq.outputs[0]!];
        const first = dequantizers[0]!.outputs[0]!;
        const name = this.#name(`${from}:fake`);
        if (idle || i > 0) {
          this.#graph.nodes.push(makeNode('Identity', [i > 0 ? first : from], [to], {}, { name }));
          continue;
        }
        const zero = params.zeroPoint?.numbers()[0] ?? 0;
        const { min, max } = rangeOf(params.zeroPoint?.dtype === 'int8' ? 'int8' : 'uint8');
        const ends = [this.#number(min - zero), this.#number(max - zero)] as const;
        this.#graph.nodes.push(fakeQuantizeNode([from, scale, ...ends], to, name));
      }
    });
  }

  #constant(dq: Node): () => void {
    const [codes = '', scale = '', zeroPoint = ''] = dq.inputs;
    const stored = this.#qdq.constant(codes)!;
    const value = dq.outputs[0]!;
    const real = dequantizeConstant(this.#qdq, dq);
    const reader = this.#qdq.index.consumers.get(value)?.[0];
    const layer = stored.dtype === 'int32' && reader ? biased(this.#qdq, reader) : undefined;
    const inputScale = layer?.source?.inputs[1];
    const weightScale = layer && this.#qdq.dequantizer(layer.layer.inputs[1])?.inputs[1];
    const original = reader && this.#original(reader, reader.inputs.indexOf(value), stored.dims);
    const isWeight = reader !== undefined && PRODUCTS.has(reader.op) && reader.inputs[0] !== value;
    return () => {
      // A layout that is not ours (blocks, other types) stays as it is, and is not learned.
      if (real === undefined) return;
      if (stored.dtype === 'int32') {
        if (inputScale === undefined || weightScale === undefined) return;
        this.#gone.add(dq);
        this.#graph.initializers.set(value, real);
        this.#biases.push({ bias: value, names: [codes, scale], inputScale, weightScale });
        return;
      }
      this.#gone.add(dq);
      const scales = this.#qdq.constant(scale)!;
      const axis =
        scales.size > 1 ? (intOf(dq, 'axis', 1) + stored.dims.length) % stored.dims.length : undefined;
      const dims = axis === undefined ? [] : stored.dims.map((size, i) => (i === axis ? size : 1));
      const zero = this.#qdq.constant(zeroPoint)?.numbers()[0] ?? 0;
      const range = isWeight ? this.#range : rangeOf(stored.dtype === 'int8' ? 'int8' : 'uint8');
      const step = this.#learnedScale(scale, [scale], dims, scales.numbers());
      const names = [codes, scale, zeroPoint] as const;
      const node = this.#name(`${value}:fake`);
      if (this.#rounded) {
        const steps = stored.numbers().map((number) => number - zero);
        const whole = this.#put(`${value}_whole`, Tensor.float32(stored.dims, steps));
        this.#graph.nodes.push(makeNode('Mul', [whole, step], [value], {}, { name: node }));
        this.#weights.push({ weight: undefined, names, range, axis });
        return;
      }
      const weight = this.#put(`${value}_real`, original ?? real);
      const ends = [this.#number(range.min - zero), this.#number(range.max - zero)] as const;
      this.#graph.nodes.push(fakeQuantizeNode([weight, step, ...ends], value, node));
      this.#weights.push({ weight, names, range, axis });
    };
  }

  /** The float weight that a node read before it was quantized. */
  #original({ name, op }: Node, slot: number, dims: readonly number[]): Tensor | undefined {
    const { graph } = this.#float;
    const node = graph.nodes.find((other) => other.name === name && other.op === op);
    const found = node && constantOf(graph, node.inputs[slot] ?? '');
    return found?.dtype === 'float32' && String(found.dims) === String(dims) ? found : undefined;
  }

  #put(stem: string, tensor: Tensor): string {
    const name = this.#name(stem);
    this.#graph.initializers.set(name, tensor);
    return name;
  }

  /** A scale as the exponential of what is learned; the name of the scale. */
  #learnedScale(
    stem: string,
    holders: readonly string[],
    dims: readonly number[],
    values: readonly number[],
  ): string {
    const log = this.#put(`${stem}_log`, Tensor.float32(dims, logarithms(values)));
    const scale = this.#name(`${stem}_exp`);
    this.#graph.nodes.push(makeNode('Exp', [log], [scale], {}, { name: scale }));
    this.#scales.push({ log, holders });
    return scale;
  }
}

const PRODUCTS: ReadonlySet<string> = new Set(['Conv', 'MatMul', 'Gemm']);
