import assert from 'node:assert/strict';
import { Random, SILENT } from '../src/base/index.ts';
import type { Dim, Model, Tensor } from '../src/graph/index.ts';
import { openSession } from '../src/run/index.ts';
import {
  type FusionReport,
  STATIC_DEFAULTS,
  type StaticOptions,
  staticQuantization,
} from '../src/transform/index.ts';
import { Net, normalData, normals } from './quantize-nets.ts';

export const context = (dims: readonly number[]) => ({
  progress: SILENT,
  seed: 1,
  calibration: normalData(dims, 128),
});

export async function quantized(model: Model, dims: readonly number[], options: Partial<StaticOptions> = {}) {
  const all = { ...STATIC_DEFAULTS, check: false, biasCorrection: false, ...options };
  return (await staticQuantization.apply(model, all, context(dims))).model;
}

export async function answers(model: Model, dims: readonly number[], seed = 5): Promise<Tensor[]> {
  const session = await openSession(model, { threads: 1 });
  try {
    const got = await session.run({ x: normals(new Random(seed), dims) });
    return session.outputs.map(({ name }) => got[name]!);
  } finally {
    await session.dispose();
  }
}

export const statusOf = (report: FusionReport, name: string) =>
  report.nodes.find((node) => node.name.startsWith(name));

/** All nodes fused, and these operators among the executed. */
export function assertFused(report: FusionReport, ...ops: string[]): void {
  const loose = report.nodes.filter(({ status }) => status !== 'fused');
  assert.deepEqual(loose, [], 'every node fuses');
  for (const op of ops) assert.ok(report.executed[op], `${op} among ${Object.keys(report.executed)}`);
}

export const SQUARE = [8, 6, 6] as const;
export const FED: Dim[] = ['N', ...SQUARE];

/** A convolution, the case, a convolution. */
export function between(build: (net: Net, x: string) => string, channels = 8, opset = 17): Model {
  const net = new Net(3);
  const x = build(net, net.relu(net.conv('x', 8, 8)));
  return net.model(FED, [net.conv(x, channels, 4, 1)], opset);
}
