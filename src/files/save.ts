import { access, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type ExternalPlacer,
  encodeModel,
  type Graph,
  type Model,
  subgraphsOf,
  type Tensor,
} from '../graph/index.ts';
import { type Appender, writeAtomically, writeFileAtomically } from './atomic.ts';

export interface SaveOptions {
  /** Weights beside the model: always, never, or (auto) where they sum to more than `threshold`. Default auto. */
  external?: 'auto' | 'always' | 'never';
  /** Bytes of weights that auto still keeps inside. Default 1 GiB. */
  threshold?: number;
}

/** Smaller tensors stay in the message: shapes and scalars are read by tools that load no external data. */
const SMALLEST_OUTSIDE = 1024;
/** Offsets of large tensors: a page, so that a runtime can map them into memory. */
const PAGE = 4096;

/**
 * Saves an ONNX file, whole or not at all. External weights go to `<name>.data` beside it, tensor by tensor, never all
 * in memory; where that name is taken (by the weights of an older model, say) to a new one, so that the older
 * model stays whole until the new one takes its place.
 */
export async function saveModel(model: Model, path: string, options: SaveOptions = {}): Promise<void> {
  const { external = 'auto', threshold = 2 ** 30 } = options;
  const outside = external === 'always' || (external === 'auto' && weightBytes(model.graph) > threshold);
  if (!outside) return writeFileAtomically(path, encodeModel(model));
  const location = await freeName(dirname(path), `${basename(path)}.data`);
  const places = new Map<Tensor, { location: string; offset: number; length: number }>();
  await writeAtomically(join(dirname(path), location), async (file) => {
    for (const tensor of weightsOf(model.graph)) {
      if (!places.has(tensor)) places.set(tensor, { location, ...(await put(file, tensor)) });
    }
  });
  const place: ExternalPlacer = (_name, tensor) => places.get(tensor);
  try {
    await writeFileAtomically(path, encodeModel(model, place));
  } catch (cause) {
    // Weights without their model are of no use to anybody.
    await rm(join(dirname(path), location), { force: true });
    throw cause;
  }
}

async function put(file: Appender, tensor: Tensor): Promise<{ offset: number; length: number }> {
  const unit = tensor.byteLength >= PAGE ? PAGE : 64;
  const gap = (unit - (file.length % unit)) % unit;
  if (gap > 0) await file.append(new Uint8Array(gap));
  const offset = file.length;
  await file.append(tensor.bytes());
  return { offset, length: tensor.byteLength };
}

function* weightsOf(graph: Graph): Generator<Tensor> {
  for (const tensor of graph.initializers.values()) {
    if (tensor.dtype !== 'string' && tensor.byteLength >= SMALLEST_OUTSIDE) yield tensor;
  }
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) yield* weightsOf(inner);
}

/** Bytes of all initializers, nested graphs included. */
export function weightBytes(graph: Graph): number {
  let sum = 0;
  for (const tensor of weightsOf(graph)) sum += tensor.byteLength;
  return sum;
}

async function freeName(folder: string, wanted: string): Promise<string> {
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : wanted.replace(/\.data$/, `.${n}.data`);
    const taken = await access(join(folder, name)).then(
      () => true,
      () => false,
    );
    if (!taken) return name;
  }
}
