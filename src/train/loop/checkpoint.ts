import { stat } from 'node:fs/promises';
import { fail, messageOf } from '../../base/index.ts';
import { loadModel, saveModel } from '../../files/index.ts';
import { makeGraph, makeModel, type Tensor } from '../../graph/index.ts';

/** Where a run stands, beside the vectors that it keeps. */
export interface RunState {
  /** Steps that are behind it. */
  readonly step: number;
  readonly steps: number;
  /** Mean loss of each epoch that is complete, then the running sum of the one under way. */
  readonly losses: readonly number[];
  readonly lossSum: number;
  readonly lossCount: number;
  readonly validation: readonly number[];
  readonly seconds: number;
}

export interface Checkpoint {
  readonly state: RunState;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

const KEY = 'modicum.checkpoint';

/**
 * Writes where a run stands, whole or not at all, as an ONNX file that holds tensors and no graph. `run` tells whether a later
 * run is the same one. Throws FILE_NOT_WRITTEN; an older checkpoint of that name is then still there.
 */
export async function writeCheckpoint(path: string, run: string, checkpoint: Checkpoint): Promise<void> {
  const graph = makeGraph({ inputs: [], outputs: [], nodes: [], name: 'checkpoint' });
  for (const [name, tensor] of checkpoint.tensors) graph.initializers.set(name, tensor);
  const metadata = new Map([[KEY, JSON.stringify({ run, state: checkpoint.state })]]);
  await saveModel(makeModel(graph, 21, { metadata }), path, { external: 'never' });
}

/**
 * Reads a checkpoint; undefined where there is no file. Throws CHECKPOINT_MISMATCH where it is of another run (another model,
 * data or settings), CHECKPOINT_INVALID.
 */
export async function readCheckpoint(path: string, run: string): Promise<Checkpoint | undefined> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  if (!there) return undefined;
  let stored: { run: string; state: RunState };
  let tensors: ReadonlyMap<string, Tensor>;
  try {
    const model = await loadModel(path);
    stored = JSON.parse(model.metadata.get(KEY) ?? 'null');
    if (typeof stored?.run !== 'string') throw new Error('it is not a checkpoint');
    tensors = model.graph.initializers;
  } catch (cause) {
    throw fail('CHECKPOINT_INVALID', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  if (stored.run !== run) throw fail('CHECKPOINT_MISMATCH', path, { path });
  return { state: stored.state, tensors };
}
