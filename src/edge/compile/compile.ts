import { CATALOGUE, fail, ModicumError } from '../../base/index.ts';
import {
  type DType,
  inferShapes,
  labelOf,
  type Model,
  type Node,
  opKey,
  sizeOf,
  topologicalOrder,
} from '../../graph/index.ts';
import { copy, elementwise } from './kernels/elementwise.ts';
import { Sink } from './kernels/sink.ts';
import { emitFunction } from './loop/emit.ts';
import type { LoopFunction, Stmt } from './loop/ir.ts';
import { functionText } from './loop/print.ts';
import { ROWS } from './ops/index.ts';
import { Lowering } from './plan/lowering.ts';
import { type MemoryPlan, planMemory } from './plan/memory.ts';
import { Program, type Step, type Target } from './plan/program.ts';
import { constant, leaf, op } from './plan/tree.ts';
import { storeOf, type Value } from './plan/value.ts';
import type { Buffer, View } from './plan/view.ts';
import { type CompiledPort, type ModuleHeader, SECTION } from './section.ts';
import { encodeWasm } from './wasm/module.ts';

export interface CompileOptions {
  /** simd: WebAssembly with SIMD128. relaxed: fused multiply-adds as well. scalar: neither. Default simd. */
  readonly target?: Target;
  /** Refuses a larger module. Default: none. */
  readonly maxBytes?: number;
}

/** What one node became. */
export interface LayerSize {
  readonly node: string;
  readonly op: string;
  /** Bytes of weights that no earlier node has, and of code that none has. */
  readonly weights: number;
  readonly code: number;
  readonly kernels: number;
}

export interface Compiled {
  readonly wasm: Uint8Array;
  readonly target: Target;
  readonly inputs: readonly CompiledPort[];
  readonly outputs: readonly CompiledPort[];
  readonly memory: MemoryPlan;
  readonly layers: readonly LayerSize[];
  /** The loop-level form. */
  text(): string;
}

/** A node that the compiler cannot take, and why. */
export interface Obstacle {
  readonly node: string;
  readonly op: string;
  readonly why: string;
}

/** Before it, operators broadcast by an attribute. */
const OLDEST = 7;

export interface Lowered {
  readonly program: Program;
  readonly inputs: readonly [string, DType, View][];
  readonly outputs: readonly [string, DType, View][];
  readonly ops: ReadonlyMap<string, string>;
  readonly obstacles: readonly Obstacle[];
}

/**
 * Compiles a model with static shapes, cleaned up beforehand (constants folded, normalizations in the weights), into one
 * WebAssembly module that holds the weights, imports nothing, and exports its memory and `run`. Throws EDGE_UNSUPPORTED, listing all
 * that is missing, and EDGE_DYNAMIC_SHAPE.
 */
export function compileModel(model: Model, options: CompileOptions = {}): Compiled {
  const target = options.target ?? 'simd';
  const lowered = lower(model, target);
  if (lowered.obstacles.length > 0) throw refusal(lowered.obstacles);
  const { program } = lowered;
  const memory = planMemory(
    program,
    lowered.outputs.map(([, , { buffer }]) => buffer),
  );
  const portOf = ([name, dtype, view]: [string, DType, View]): CompiledPort => ({
    name,
    dtype,
    dims: view.dims,
    address: memory.addresses.get(view.buffer) ?? 0,
    bytes: sizeOf(view.dims) * BYTES[dtype]!,
  });
  const inputs = lowered.inputs.map(portOf);
  const outputs = lowered.outputs.map(portOf);
  const { wasm, codeBytes, run, functions } = moduleOf(program, memory, { inputs, outputs, target });
  if (wasm.length > (options.maxBytes ?? Number.POSITIVE_INFINITY)) {
    throw fail(
      'EDGE_TOO_LARGE',
      `${wasm.length} bytes, of which ${memory.weights} are weights; allowed are ${options.maxBytes}`,
    );
  }
  return {
    wasm,
    target,
    inputs,
    outputs,
    memory,
    layers: layersOf(program, codeBytes, lowered.ops),
    text: () => [...functions, run].map(functionText).join('\n'),
  };
}

/** Everything of the model that the compiler cannot take; empty where it compiles. */
export function obstaclesOf(model: Model, target: Target = 'simd'): readonly Obstacle[] {
  return lower(model, target).obstacles;
}

const BYTES: Partial<Record<DType, number>> = { float32: 4, int32: 4, int64: 8, bool: 1, uint8: 1, int8: 1 };

export function refusal(obstacles: readonly Obstacle[]): ModicumError {
  const counted = new Map<string, { count: number; op: string; why: string }>();
  for (const { op: name, why } of obstacles) {
    const key = `${name}: ${why}`;
    const known = counted.get(key);
    if (known === undefined) counted.set(key, { count: 1, op: name, why });
    else known.count += 1;
  }
  const list = [...counted.values()]
    .map(({ count, op: name, why }) => `${count} x ${name} (${why})`)
    .join('; ');
  return fail('EDGE_UNSUPPORTED', list, { obstacles });
}

/** The model as kernels, with what could not be lowered. */
export function lower(model: Model, target: Target): Lowered {
  const { graph } = model;
  const opset = model.opsets.get('') ?? 1;
  if (opset < OLDEST)
    throw fail('EDGE_UNSUPPORTED', `opset ${opset}; the clean-up brings models to ${OLDEST} or more`);
  const inference = inferShapes(model, { strict: false });
  const program = new Program(target);
  const nodes = topologicalOrder(graph);
  const low = new Lowering(program, graph, nodes, inference, opset);
  const obstacles: Obstacle[] = [];
  const ops = new Map<string, string>();
  const inputs = graph.inputs.map(({ name }): [string, DType, View] => {
    const shell = inputShell(low, name);
    const store = storeOf(shell.dtype);
    if (store === undefined) throw fail('EDGE_UNSUPPORTED', `input "${name}" is ${shell.dtype}`);
    const view = program.plain(name, store, shell.dims, { pinned: 'input' });
    low.define({ ...shell, view });
    return [name, shell.dtype, view];
  });
  for (const node of nodes) {
    low.begin(node);
    ops.set(low.label, opKey(node));
    try {
      for (const [i, value] of lowerNode(low, node).entries()) {
        const name = node.outputs[i];
        if (name !== undefined && name !== '' && value !== undefined) low.define({ ...value, name });
      }
    } catch (cause) {
      obstacles.push(obstacleOf(node, cause));
      for (const name of node.outputs) if (name !== '') standIn(low, name);
    }
  }
  const outputs = obstacles.length > 0 ? [] : graph.outputs.map(({ name }) => outputOf(low, name));
  return { program, inputs, outputs, ops, obstacles };
}

function inputShell(low: Lowering, name: string) {
  try {
    return low.shell(name);
  } catch (cause) {
    if (!(cause instanceof ModicumError) || cause.code !== 'EDGE_DYNAMIC_SHAPE') throw cause;
    const declared = low.graph.inputs.find((input) => input.name === name)?.type;
    const shape =
      declared?.kind === 'tensor' ? declared.shape?.map((dim) => dim ?? '?').join(', ') : undefined;
    throw fail('EDGE_DYNAMIC_SHAPE', `input "${name}" is [${shape ?? '...'}]`, { input: name });
  }
}

function lowerNode(low: Lowering, node: Node): readonly (Value | undefined)[] {
  const key = opKey(node);
  const row = Object.hasOwn(ROWS, key) ? ROWS[key] : undefined;
  if (row === undefined) throw fail('EDGE_UNSUPPORTED', 'no kernel');
  const inputs = node.inputs.map((name) => (name === '' ? undefined : low.value(name)));
  return row({ low, node, inputs });
}

function obstacleOf(node: Node, cause: unknown): Obstacle {
  const known =
    cause instanceof ModicumError &&
    (cause.code === 'EDGE_UNSUPPORTED' || cause.code === 'EDGE_DYNAMIC_SHAPE');
  if (!known) throw cause;
  const why = cause.message.slice(CATALOGUE[cause.code].what.length + 2);
  return { node: labelOf(node), op: opKey(node), why };
}

/** What a node that cannot be compiled would give, so that the rest can be looked at too. */
function standIn(low: Lowering, name: string): void {
  try {
    const shell = low.shell(name);
    low.define({ ...shell, view: low.program.plain(name, storeOf(shell.dtype) ?? 'f32', shell.dims) });
  } catch (cause) {
    if (!(cause instanceof ModicumError)) throw cause;
    low.define({ ...low.inner([1], {}), name, view: low.program.plain(name, 'f32', [1]) });
  }
}

/** An output where the caller finds it: in the order of its axes, as its dtype says. */
function outputOf(low: Lowering, name: string): [string, DType, View] {
  const value = low.value(name);
  low.label = name;
  const { dtype, dims } = value;
  const store = storeOf(dtype);
  if (store === undefined) throw fail('EDGE_UNSUPPORTED', `output "${name}" is ${dtype}`);
  const { program } = low;
  const view = program.plain(name, store, dims, { pinned: 'output' });
  if (value.weights !== undefined) throw fail('EDGE_UNSUPPORTED', `output "${name}" is a weight`);
  if (value.quant !== undefined) {
    const whole = op('add', [leaf(low.view(value)), constant(value.quant.zeroPoint)]);
    elementwise(program, name, new Sink(view, whole));
  } else if (value.view === undefined && value.tree !== undefined) low.write(value, view);
  else copy(program, name, low.view(value), view);
  return [name, dtype, view];
}

function moduleOf(program: Program, memory: MemoryPlan, ports: Omit<ModuleHeader, 'version'>) {
  const functions: LoopFunction[] = [];
  const indices = new Map<LoopFunction, number>();
  const add = (fn: LoopFunction): number => {
    const known = indices.get(fn);
    if (known !== undefined) return known;
    indices.set(fn, functions.length);
    functions.push(fn);
    return functions.length - 1;
  };
  const address = ({ buffer, offset }: { buffer: Buffer; offset: number }) =>
    memory.addresses.get(buffer)! + offset;
  const body = program.steps.map(
    ({ fn, args }): Stmt => ({
      kind: 'call',
      fn,
      args: args.map((arg) => ({ kind: 'constant', type: 'i32', value: address(arg) })),
    }),
  );
  const run: LoopFunction = { name: 'run', params: [], locals: [], body };
  for (const fn of program.functions()) add(fn);
  // Functions that the kernels call are found while they are emitted.
  const emitted = [];
  const codeBytes = new Map<LoopFunction, number>();
  for (const fn of functions) {
    const made = emitFunction(fn, add);
    codeBytes.set(fn, made.code.length);
    emitted.push(made);
  }
  emitted.push(emitFunction(run, add, 'run'));
  const data = program.buffers
    .filter((buffer) => buffer.data !== undefined && memory.addresses.has(buffer))
    .map((buffer) => ({ offset: memory.addresses.get(buffer)!, bytes: buffer.data! }));
  const wasm = encodeWasm({
    functions: emitted,
    memory: memory.total,
    data: segments(data),
    custom: [
      {
        name: SECTION,
        bytes: new TextEncoder().encode(JSON.stringify({ version: 1, ...ports } satisfies ModuleHeader)),
      },
    ],
  });
  return { wasm, codeBytes, run, functions };
}

/** Weights that follow each other are one segment. */
function segments(parts: readonly { offset: number; bytes: Uint8Array }[]) {
  const sorted = [...parts].sort((a, b) => a.offset - b.offset);
  const [first] = sorted;
  if (first === undefined) return [];
  const last = sorted.at(-1)!;
  const bytes = new Uint8Array(last.offset + last.bytes.length - first.offset);
  for (const part of sorted) bytes.set(part.bytes, part.offset - first.offset);
  return [{ offset: first.offset, bytes }];
}

function layersOf(
  program: Program,
  codeBytes: ReadonlyMap<LoopFunction, number>,
  ops: ReadonlyMap<string, string>,
): LayerSize[] {
  const seenCode = new Set<LoopFunction>();
  const seenWeights = new Set<Buffer>();
  const rows = new Map<string, { weights: number; code: number; kernels: number }>();
  for (const { label, fn, args } of program.steps as readonly Step[]) {
    const row = rows.get(label) ?? { weights: 0, code: 0, kernels: 0 };
    rows.set(label, row);
    row.kernels += 1;
    if (!seenCode.has(fn)) row.code += codeBytes.get(fn) ?? 0;
    seenCode.add(fn);
    for (const { buffer } of args) {
      if (buffer.data !== undefined && !seenWeights.has(buffer)) row.weights += buffer.data.length;
      seenWeights.add(buffer);
    }
  }
  return [...rows].map(([node, row]) => ({ node, op: ops.get(node) ?? 'output', ...row }));
}
