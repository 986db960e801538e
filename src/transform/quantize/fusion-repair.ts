import { throwIfAborted } from '../../base/index.ts';
import {
  bypass,
  cloneModel,
  constantOf,
  indexGraph,
  type Model,
  type Node,
  namer,
  removeDead,
  sortNodes,
  type Tensor,
  walkGraphs,
} from '../../graph/index.ts';
import type { SessionSettings } from '../../run/index.ts';
import { addConstant } from './emit.ts';
import { inspect, type Unfused } from './fusion.ts';
import type { FusionReport, Repair } from './fusion-report.ts';
import { dequantizeConstant, toUint8Activations } from './fusion-rewrite.ts';
import { paramsInside, paramsOf, paramTensors } from './numbers.ts';
import { type ConstantParams, type MeantNode, QdqView, realRange } from './qdq-view.ts';
import { scopesOf } from './scopes.ts';
import { quantizeBias } from './weights.ts';

export interface RepairOptions {
  /** The float model: what cannot fuse goes back to its weights instead of rounded ones. */
  readonly original?: Model;
  readonly settings?: Partial<SessionSettings>;
  /** Rounds of checking and repairing. Default 12. */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
}

export interface Repaired {
  readonly model: Model;
  readonly report: FusionReport;
}

/**
 * Repairs what ONNX Runtime does not fuse until nothing is left to do: output zero points behind Relu and Clip, scales shared through
 * nodes that only move numbers, int32 biases, uint8 in place of int8; and what cannot be helped goes back to float. The input is left alone.
 * Throws what opening throws.
 */
export async function repairFusion(model: Model, options: RepairOptions = {}): Promise<Repaired> {
  const { rounds = 12, settings, signal } = options;
  const tried = new Set<string>();
  const repaired: Repair[] = [];
  let current = model;
  for (let round = 0; ; round++) {
    throwIfAborted(signal);
    const { report, unfused } = await inspect(current, settings);
    const result = { ...report, repaired };
    if (unfused.length === 0 || round === rounds) return { model: current, report: result };
    const copy = cloneModel(current);
    const done = repairAll(copy, unfused, tried, options.original);
    if (done.length === 0) return { model: current, report: result };
    repaired.push(...done);
    for (const graph of walkGraphs(copy.graph)) sortNodes(graph);
    removeDead(copy.graph);
    current = copy;
  }
}

function repairAll(
  model: Model,
  unfused: readonly Unfused[],
  tried: Set<string>,
  original: Model | undefined,
): Repair[] {
  const done: Repair[] = [];
  if (unfused.some(({ verdict }) => verdict.rule === 'int8-fan-out') && !tried.has('uint8')) {
    tried.add('uint8');
    toUint8Activations(model);
    return [{ node: '*', what: 'activations in uint8 instead of int8', reverted: false }];
  }
  // A structural repair often mends its neighbours: what needs to go back to float waits until none is left.
  for (const kind of ['mend', 'revert'] as const) {
    for (const { meant, verdict } of unfused) {
      const { name } = meant.node;
      const key = `${kind}:${name}:${kind === 'mend' ? verdict.rule : ''}`;
      if (tried.has(key)) continue;
      const found = findMeant(model, name);
      if (found === undefined) continue;
      tried.add(key);
      const what =
        kind === 'mend' ? mend(model, found, verdict.rule) : revert(model, found, verdict.why, original);
      if (what !== undefined) done.push({ node: name, what, reverted: kind === 'revert' });
    }
    if (done.length > 0) return done;
  }
  return done;
}

interface Found {
  readonly view: QdqView;
  readonly meant: MeantNode;
}

function findMeant(model: Model, name: string): Found | undefined {
  for (const scope of scopesOf(model)) {
    const view = new QdqView(scope);
    const meant = view.meant().find(({ node }) => node.name === name);
    if (meant !== undefined) return { view, meant };
  }
  return undefined;
}

function mend(model: Model, found: Found, rule: string): string | undefined {
  switch (rule) {
    case 'zero-point':
      return mendZeroPoint(model, found);
    case 'shared-params':
      return mendSharedParams(model, found);
    case 'float-bias':
    case 'bias-scale':
      return mendBias(model, found);
    default:
      return undefined;
  }
}

/** New parameters for the QuantizeLinear and for all that dequantize its answer. */
function setParams(model: Model, view: QdqView, q: Node, { scale, zeroPoint }: ConstantParams): void {
  const name = namer(model.graph);
  const names = [name(`${q.inputs[0]}_scale`), name(`${q.inputs[0]}_zero_point`)];
  view.graph.initializers.set(names[0]!, scale);
  if (zeroPoint !== undefined) view.graph.initializers.set(names[1]!, zeroPoint);
  const readers = view.index.consumers.get(q.outputs[0]!) ?? [];
  for (const node of [q, ...readers.filter(({ op }) => op === 'DequantizeLinear')]) {
    node.inputs = [node.inputs[0]!, names[0]!, ...(zeroPoint === undefined ? [] : [names[1]!])];
  }
}

function mendZeroPoint(model: Model, { view, meant }: Found): string | undefined {
  const { bounds, quantizer } = meant;
  const params = quantizer && view.params(quantizer);
  const range = params && realRange(params);
  if (bounds === undefined || quantizer === undefined || range === undefined) return undefined;
  const type = params?.zeroPoint?.dtype === 'int8' ? 'int8' : 'uint8';
  const low = Math.max(range.low, bounds.low);
  const high = Math.min(range.high, bounds.high);
  setParams(
    model,
    view,
    quantizer,
    paramTensors(paramsInside(paramsOf(low, high, type), bounds.low, bounds.high)),
  );
  return `output scale and zero point fitted to what ${meant.tail.at(-1)!.op} leaves`;
}

function mendSharedParams(model: Model, { view, meant }: Found): string | undefined {
  const before = view.dequantizer(meant.node.inputs[0]);
  const params = before && view.params(before);
  if (params === undefined) return undefined;
  for (const output of meant.node.outputs) {
    for (const q of view.quantizers(output)) setParams(model, view, q, params);
  }
  return 'scale and zero point of its input taken for its output';
}

function mendBias(model: Model, { view, meant }: Found): string | undefined {
  const { node, tail } = meant;
  const input = view.dequantizer(node.inputs[0]);
  const weight = view.dequantizer(node.inputs[1]);
  const inputScale = input && view.params(input)?.scale;
  const weightScale = weight && view.params(weight)?.scale;
  if (inputScale?.size !== 1 || weightScale?.dtype !== 'float32') return undefined;
  const holder = node.op === 'MatMul' ? tail[0] : node;
  const stored = (value: string) => {
    const dq = view.dequantizer(value);
    return view.constant(value) ?? (dq && !view.source(dq) ? dequantizeConstant(view, dq) : undefined);
  };
  const slot = node.op === 'MatMul' ? holder?.inputs.findIndex((value) => stored(value)) : 2;
  const bias = stored(holder?.inputs[slot ?? -1] ?? '');
  if (holder === undefined || slot === undefined || bias?.dtype !== 'float32') return undefined;
  if (weightScale.size > 1 && bias.size !== weightScale.size) return undefined;
  const row = bias.reshape([bias.size]);
  const made = quantizeBias(row, inputScale.numbers()[0]!, weightScale.as('float32'));
  holder.inputs[slot] = addConstant(view.graph, namer(model.graph), holder.inputs[slot]!, made);
  return 'bias in int32 at the scale of the sum';
}

/** Takes a node out of the integer region, with the float weights of the original where they are known. */
function revert(
  model: Model,
  { view, meant }: Found,
  why: string,
  original: Model | undefined,
): string | undefined {
  const { graph } = view;
  let changed = false;
  const makers = new Map(view.meant().map((other) => [other.output, other]));
  const name = namer(model.graph);
  for (const node of [meant.node, ...meant.tail]) {
    for (const [slot, value] of node.inputs.entries()) {
      const dq = view.dequantizer(value);
      if (dq === undefined) continue;
      const q = view.source(dq);
      // Behind another integer node the float answer must stay unread.
      if (q !== undefined) {
        if (!makers.has(q.inputs[0]!)) {
          node.inputs[slot] = q.inputs[0]!;
          changed = true;
        }
        continue;
      }
      const kept = original && originalConstant(original, node, slot);
      const restored = kept ?? dequantizeConstant(view, dq);
      if (restored === undefined) continue;
      const fresh = name(`${node.name}_input${slot}`);
      graph.initializers.set(fresh, restored);
      node.inputs[slot] = fresh;
      changed = true;
    }
  }
  if (!freeOutput(view, meant) && !changed) return undefined;
  return `back to float: ${why}`;
}

/** Lets readers that compute in float have the float answer, and drops Q and DQ where no other reader is left. True where there were any. */
function freeOutput(view: QdqView, meant: MeantNode): boolean {
  const { graph } = view;
  let freed = false;
  const integer = new Set<Node>(view.meant().flatMap(({ node, tail }) => [node, ...tail]));
  integer.delete(meant.node);
  for (const q of view.quantizers(meant.output)) {
    const dequantizers = (view.index.consumers.get(q.outputs[0]!) ?? []).filter(
      (node) => node.op === 'DequantizeLinear',
    );
    for (const dq of dequantizers) {
      const index = indexGraph(graph);
      const value = dq.outputs[0]!;
      const readers = index.consumers.get(value) ?? [];
      if (readers.some((node) => integer.has(node))) continue;
      bypass(graph, dq, q.inputs[0]!);
      freed = true;
    }
  }
  return freed;
}

function originalConstant(original: Model, { name, op }: Node, slot: number): Tensor | undefined {
  for (const graph of walkGraphs(original.graph)) {
    const node = graph.nodes.find((other) => other.name === name && other.op === op);
    const found = node && constantOf(graph, node.inputs[slot] ?? '');
    if (found?.dtype === 'float32') return found;
  }
  return undefined;
}
