import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, SILENT } from '../../src/base/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { type Model, sizeOf, Tensor } from '../../src/graph/index.ts';
import { cleanSteps, EXACT_PASSES, freeBatch, runPasses, step } from '../../src/transform/index.ts';
import { sharedData } from '../shared-data.ts';
import { answersOf, assertWithin, holdToContract } from './pass-contract.ts';

/** A real model, and what makes its inputs sensible. */
interface Case {
  readonly file: string;
  /** Symbols and their sizes. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** Inputs that are not normal numbers. */
  readonly values?: Readonly<Record<string, (random: Random) => number>>;
  /** The clean-up leaves at most this many nodes. */
  readonly nodes: number;
  /** True where the batch of 1 becomes free. */
  readonly frees: boolean;
}

const speech = { batch: 2, sequence: 576 };
const CASES: readonly Case[] = [
  { file: 'mnist/mnist-8.onnx', values: { Input3: (r) => r.below(256) }, nodes: 9, frees: true },
  { file: 'keywords/alibaba_kws.onnx', nodes: 22, frees: true },
  {
    file: 'magika/model/model.onnx',
    sizes: { unk__214: 2 },
    values: { bytes: (r) => r.below(257) },
    nodes: 86,
    frees: false,
  },
  { file: 'ultraface/version-RFB-320.onnx', nodes: 125, frees: true },
  { file: 'ultraface/version-RFB-320_simplified.onnx', nodes: 110, frees: true },
  { file: 'ultraface/version-RFB-320_without_postprocessing.onnx', nodes: 110, frees: true },
  { file: 'mlperf-tiny/alibaba_vww.onnx', nodes: 58, frees: true },
  { file: 'mlperf-tiny/alibaba_ad.onnx', nodes: 11, frees: true },
  {
    file: 'silero-vad/silero_vad_op18_ifless.onnx',
    sizes: speech,
    values: { sr: () => 16000 },
    nodes: 4,
    frees: false,
  },
  { file: 'silero-vad/silero_vad_half.onnx', sizes: speech, nodes: 35, frees: false },
];

function feedsOf(model: Model, { sizes = {}, values = {} }: Case, batch?: number): Record<string, Tensor> {
  const random = new Random(77);
  const feeds: Record<string, Tensor> = {};
  for (const { name, type } of model.graph.inputs) {
    if (model.graph.initializers.has(name) || type.kind !== 'tensor') continue;
    const dims = type.shape!.map((dim, i) =>
      i === 0 && batch !== undefined ? batch : typeof dim === 'number' ? dim : (sizes[dim ?? ''] ?? 1),
    );
    const draw = values[name] ?? ((r: Random) => r.normal());
    const numbers = Array.from({ length: sizeOf(dims) }, () => draw(random));
    feeds[name] =
      type.dtype === 'int64'
        ? Tensor.int64(dims, numbers)
        : type.dtype === 'int32'
          ? Tensor.of('int32', dims, Int32Array.from(numbers))
          : Tensor.float32(dims, numbers);
  }
  return feeds;
}

for (const one of CASES) {
  test(`${one.file}: every exact pass, the clean-up and the free batch`, async (t) => {
    const path = sharedData(one.file);
    if (path === undefined) return t.skip('data absent');
    const model = await loadModel(path);
    const feeds = feedsOf(model, one);
    const answers = await answersOf(model, feeds);
    for (const [name, make] of Object.entries(EXACT_PASSES)) {
      await t.test(name, async () => {
        await holdToContract(make(), model, feeds, answers);
      });
    }
    const cleaned = await runPasses(model, [...cleanSteps(), step(freeBatch)], { progress: SILENT, seed: 1 });
    const { graph } = cleaned.model;
    assertWithin(await answersOf(cleaned.model, feeds), answers, {
      kind: 'bounded',
      atol: 1e-5,
      rtol: 1e-3,
      why: '',
    });
    assert.ok(graph.nodes.length <= one.nodes, `${graph.nodes.length} nodes are left`);
    assert.equal(
      cleaned.changes.some(({ pass }) => pass === 'free-batch'),
      one.frees,
    );
    assert.ok(cleaned.model.opsets.get('')! >= 13);
    if (!one.frees) return;
    const many = feedsOf(model, one, 4);
    const together = await answersOf(cleaned.model, many);
    for (let sample = 0; sample < 4; sample++) {
      const cut = (tensor: Tensor) => {
        const width = tensor.byteLength / 4;
        const bytes = tensor.bytes().slice(sample * width, (sample + 1) * width);
        return Tensor.ofBytes(tensor.dtype, [1, ...tensor.dims.slice(1)], bytes);
      };
      const each = (all: Readonly<Record<string, Tensor>>) =>
        Object.fromEntries(Object.entries(all).map(([name, tensor]) => [name, cut(tensor)]));
      assertWithin(each(together), await answersOf(model, each(many)), {
        kind: 'bounded',
        atol: 1e-5,
        rtol: 1e-3,
        why: '',
      });
    }
  });
}
