import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveModel } from '../../src/files/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { Batcher, type EngineOptions, type Found, openEngine, type Served } from '../../src/serve/index.ts';
import { addModel } from '../run-models.ts';

/** A folder of models that tell their versions apart: y = x + number, x float32 ['n', 1]. */
export interface ModelFolder {
  readonly path: string;
  /** Writes NAME/VERSION/model.onnx. */
  put(name: string, version: string, number: number): Promise<void>;
  remove(): Promise<void>;
}

export async function modelFolder(): Promise<ModelFolder> {
  const path = await mkdtemp(join(tmpdir(), 'modicum-models-'));
  return {
    path,
    async put(name, version, number) {
      await mkdir(join(path, name, version), { recursive: true });
      await saveModel(addModel([number]), join(path, name, version, 'model.onnx'));
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** How a server opens a version by the real batcher. */
export const opener =
  (options: EngineOptions = {}) =>
  async ({ name, version, path }: Found) => {
    const engine = await openEngine(path, { settings: { threads: 1 }, ...options });
    return {
      served: new Batcher(engine, { name, version, goalMs: 30_000 }),
      dispose: () => engine.dispose(),
    };
  };

/** What a version adds to 0. */
export async function askWith(served: Served): Promise<{ answer: number; version: string }> {
  const ticket = served.take({ shapes: { x: [1, 1] } });
  ticket.give('x', Tensor.float32([1, 1], [0]));
  const { fetches, meter } = await ticket.submit();
  return { answer: fetches.y!.numbers()[0]!, version: meter.version };
}
