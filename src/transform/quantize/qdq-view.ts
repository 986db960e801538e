import {
  type Graph,
  type GraphIndex,
  indexGraph,
  type Node,
  soleConsumer,
  type Tensor,
} from '../../graph/index.ts';
import { integerOp, type OpRow } from './ops.ts';
import { constantIn, type Scope } from './scopes.ts';
import { type Bounds, boundsOf } from './sites.ts';

/** Parameters of a QuantizeLinear or DequantizeLinear; undefined where they are no constants. */
export interface ConstantParams {
  readonly scale: Tensor;
  /** undefined: absent, which is uint8 0. */
  readonly zeroPoint: Tensor | undefined;
}

/** A node that a quantized model means to run on integers. */
export interface MeantNode {
  readonly node: Node;
  readonly row: OpRow | undefined;
  /** Nodes behind it that the runtime is to fuse (Add of a bias, Relu, Clip). */
  readonly tail: readonly Node[];
  readonly bounds: Bounds | undefined;
  /** The value behind the tail. */
  readonly output: string;
  /** The QuantizeLinear that reads it, where there is one. */
  readonly quantizer: Node | undefined;
}

/** Reads the QuantizeLinear and DequantizeLinear nodes of one graph, whoever put them there. A snapshot. */
export class QdqView {
  readonly graph: Graph;
  readonly index: GraphIndex;
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.graph = scope.graph;
    this.index = indexGraph(scope.graph);
  }

  constant(name: string | undefined): Tensor | undefined {
    return name ? constantIn(this.#scope, name) : undefined;
  }

  /** The DequantizeLinear that makes a value. */
  dequantizer(value: string | undefined): Node | undefined {
    const maker = value ? this.index.producers.get(value) : undefined;
    return maker !== undefined && isDequantize(maker) ? maker : undefined;
  }

  /** The QuantizeLinear behind a DequantizeLinear; undefined for a constant. */
  source(dequantizer: Node): Node | undefined {
    const maker = this.index.producers.get(dequantizer.inputs[0]!);
    return maker !== undefined && isQuantize(maker) ? maker : undefined;
  }

  /** The QuantizeLinear nodes that read a value. */
  quantizers(value: string): Node[] {
    return (this.index.consumers.get(value) ?? []).filter(isQuantize);
  }

  params(node: Node): ConstantParams | undefined {
    const scale = this.constant(node.inputs[1]);
    const zeroPoint = this.constant(node.inputs[2]);
    if (scale === undefined || (node.inputs[2] && zeroPoint === undefined)) return undefined;
    return { scale, zeroPoint };
  }

  /** The nodes that are meant to run on integers: all their data comes dequantized, and their answer is quantized or may stay float. */
  meant(): MeantNode[] {
    const found: MeantNode[] = [];
    const tails = new Set<Node>();
    for (const node of this.graph.nodes) {
      if (isQuantize(node) || isDequantize(node) || tails.has(node)) continue;
      const row = integerOp(node.op, node.domain);
      const slots =
        row === undefined ? node.inputs.keys() : row.data === 'all' ? node.inputs.keys() : row.data;
      const data = [...slots]
        .map((slot) => node.inputs[slot])
        .filter((value) => value !== undefined && value !== '');
      if (row?.kind === 'compute' && node.inputs[1]) data.push(node.inputs[1]);
      const dynamic = data
        .map((value) => this.dequantizer(value))
        .filter((dq) => dq !== undefined && this.source(dq));
      if (dynamic.length === 0) continue;
      const { tail, bounds, output, quantizer } = this.#tail(node);
      const whole = data.every(
        (value) => this.dequantizer(value) !== undefined || this.constant(value) !== undefined,
      );
      const isMeant =
        row?.kind === 'compute'
          ? data.every((value) => this.dequantizer(value) !== undefined)
          : quantizer !== undefined && (whole || this.#mostly(data, dynamic.length));
      // Between two integer nodes a node that stays in float has Q and DQ around it by right.
      if (!isMeant || (row === undefined && this.#linksIntegers(dynamic, quantizer))) continue;
      for (const one of tail) tails.add(one);
      found.push({ node, row, tail, bounds, output, quantizer });
    }
    return found;
  }

  #linksIntegers(dequantizers: readonly (Node | undefined)[], quantizer: Node | undefined): boolean {
    const fromInteger = dequantizers.some((dq) => {
      let maker = dq && this.index.producers.get(this.source(dq)?.inputs[0] ?? '');
      if (maker?.op === 'Relu' || maker?.op === 'Clip') maker = this.index.producers.get(maker.inputs[0]!);
      return maker !== undefined && integerOp(maker.op, maker.domain) !== undefined;
    });
    const readers = (this.index.consumers.get(quantizer?.outputs[0] ?? '') ?? []).flatMap(
      (dq) => this.index.consumers.get(dq.outputs[0]!) ?? [],
    );
    return fromInteger && readers.some(({ op, domain }) => integerOp(op, domain) !== undefined);
  }

  #mostly(data: readonly unknown[], dequantized: number): boolean {
    return data.length > 1 && dequantized > 0;
  }

  #tail(node: Node): Pick<MeantNode, 'tail' | 'bounds' | 'output' | 'quantizer'> {
    const tail: Node[] = [];
    let output = node.outputs[0]!;
    let bounds: Bounds | undefined;
    let next = soleConsumer(this.index, output);
    if (node.op === 'MatMul' && next?.op === 'Add' && next.domain === '') {
      const other = next.inputs[next.inputs[0] === output ? 1 : 0];
      const dq = this.dequantizer(other);
      if (this.constant(other) !== undefined || (dq && this.constant(dq.inputs[0]) !== undefined)) {
        tail.push(next);
        output = next.outputs[0]!;
        next = soleConsumer(this.index, output);
      }
    }
    const cuts = next && boundsOf(next, this.graph, this.index);
    if (next !== undefined && cuts !== undefined) {
      const after = soleConsumer(this.index, next.outputs[0]!);
      if (after !== undefined && isQuantize(after)) {
        tail.push(next);
        output = next.outputs[0]!;
        bounds = cuts;
      }
    }
    return { tail, bounds, output, quantizer: this.quantizers(output)[0] };
  }
}

export const isQuantize = (node: Node) => node.op === 'QuantizeLinear';
export const isDequantize = (node: Node) => node.op === 'DequantizeLinear';

export function sameParams(a: ConstantParams, b: ConstantParams): boolean {
  const zero = (params: ConstantParams) => params.zeroPoint?.numbers().join() ?? '0';
  return a.scale.numbers().join() === b.scale.numbers().join() && zero(a) === zero(b);
}

/** The real numbers that the ends of the 8-bit type stand for; undefined for other types and many scales. */
export function realRange({ scale, zeroPoint }: ConstantParams): Bounds | undefined {
  if (scale.size !== 1 || scale.dtype !== 'float32') return undefined;
  const type = zeroPoint?.dtype ?? 'uint8';
  if (type !== 'uint8' && type !== 'int8') return undefined;
  const [min, max] = type === 'uint8' ? [0, 255] : [-128, 127];
  const [s] = scale.numbers() as [number];
  const zero = zeroPoint?.numbers()[0] ?? 0;
  return { low: Math.fround((min - zero) * s), high: Math.fround((max - zero) * s) };
}
