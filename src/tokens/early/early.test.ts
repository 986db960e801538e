import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomCheckpoint, referenceLogits } from '../../../test/tokens/llama2c-reference.ts';
import { assertValid } from '../../graph/index.ts';
import { findRecord } from '../../measure/index.ts';
import { type Decoder, openDecoder, openEarlyDecoder } from '../decoder.ts';
import { readCheckpoint } from '../llama/checkpoint.ts';
import { decoder } from '../llama/decoder.ts';
import { openScoring } from '../scoring.ts';
import { certifyExits } from './certify.ts';
import { tokenConfidence } from './confidence.ts';
import { cutDecoder } from './cut.ts';
import { fitExitMaps } from './fit-maps.ts';
import { readEarly, writeEarly } from './folder.ts';
import { judgeEarly } from './judge.ts';
import { decoderLayers } from './layers.ts';
import { tokenExits } from './token-exits.ts';

const CONFIG = { dim: 16, hidden: 12, layers: 4, heads: 4, kvHeads: 2, vocab: 19, positions: 40 };
const weights = readCheckpoint(randomCheckpoint(CONFIG, 11));
const model = decoder(weights);
const options = { settings: { threads: 1 } };
const best = (logits: Float64Array) => logits.indexOf(Math.max(...logits));

async function written(open: Decoder, prompt: readonly number[], newTokens: number) {
  const tokens: number[] = [];
  const exits: number[] = [];
  for await (const chunk of open.write([prompt], { newTokens })) {
    tokens.push(...chunk.texts[0]!);
    exits.push(...chunk.exits);
  }
  return { tokens, exits };
}

test('the layers of a decoder are found by what alone goes on between them', async () => {
  const { hidden, caches, dim } = await decoderLayers(model);
  assert.equal(dim, 16);
  assert.deepEqual(hidden, [
    '/model/embed_tokens/Gather_output_0',
    ...[0, 1, 2, 3].map((n) => `/model/layers.${n}/Add_1_output_0`),
  ]);
  assert.deepEqual(caches[2], ['past_key_values.2.key', 'past_key_values.2.value']);
  const one = decoder(readCheckpoint(randomCheckpoint({ ...CONFIG, layers: 1 })));
  await assert.rejects(decoderLayers(one), { code: 'NOT_GENERATIVE' });
});

for (const fill of ['exact', 'copy'] as const) {
  test(`tokens are those of the depth they left at, the layers behind filled up: ${fill}`, async () => {
    const early = await cutDecoder(model, { exits: [1, 3], fill });
    for (const stage of early.stages) assertValid(stage);
    assert.deepEqual(early.depths, [1, 3, 4]);
    const prompt = [1, 5, 7];
    const seen = new Set<number>();
    for (const threshold of [0, 0.05, 0.1, 0.15, 2]) {
      const open = await openEarlyDecoder(early, { confidence: 'margin', threshold }, options);
      const { tokens, exits } = await written(open, prompt, 36);
      await open.dispose();
      // The first token is chosen after the prompt, by the whole model; the depth of a token is that of the step that read it.
      const depths = [4, 4, 4, ...exits.slice(1).map((exit) => early.depths[exit]!)];
      const text = [...prompt, ...tokens];
      for (let at = prompt.length - 1; at + 1 < text.length; at++) {
        seen.add(depths[at]!);
        const cut = { ...weights, layers: weights.layers.slice(0, depths[at]) };
        const logits =
          fill === 'exact'
            ? referenceLogits(cut, text.slice(0, at + 1))
            : referenceLogits(weights, text.slice(0, at + 1), depths);
        assert.equal(text[at + 1], best(logits[at]!), `token ${at + 1} at threshold ${threshold}`);
      }
    }
    assert.deepEqual([...seen].sort(), [1, 3, 4], 'tokens left at every exit');
  });
}

test('a map of nothing changes nothing, and a fitted one comes closer', async () => {
  const dim = CONFIG.dim;
  const identity = new Float32Array(dim * dim);
  for (let i = 0; i < dim; i++) identity[i * (dim + 1)] = 1;
  const maps = [{ weight: identity, bias: new Float32Array(dim) }];
  const rule = { confidence: 'max-probability', threshold: 0 } as const;
  const logits = [];
  for (const cut of [
    await cutDecoder(model, { exits: [2], maps }),
    await cutDecoder(model, { exits: [2] }),
  ]) {
    const open = await openEarlyDecoder(cut, rule, options);
    await open.start([[1, 2]]);
    logits.push((await open.next([3]))[0]!);
    await open.dispose();
  }
  for (const [i, value] of logits[0]!.entries()) assert.ok(Math.abs(value - logits[1]![i]!) < 1e-5);
  const texts = Array.from({ length: 12 }, (_, i) =>
    Array.from({ length: 10 }, (_, j) => (i * 7 + j * j * 3) % 19),
  );
  const [loose, tight] = await Promise.all(
    [1e9, 1e-6].map(async (ridge) =>
      (await fitExitMaps(model, texts, { exits: [1, 3], ridge })).map((m) => m.missed),
    ),
  );
  for (const exit of [0, 1]) assert.ok(tight![exit]! < 0.7 * loose![exit]!, `${tight} of ${loose}`);
  assert.ok(tight![1]! < tight![0]!, 'later layers know more');
});

test('the whole model differs from itself nowhere; an exit that always leaves is found out', async () => {
  const early = await cutDecoder(model, { exits: [2] });
  const whole = await openScoring(model, { threads: 1 });
  const prompts = Array.from({ length: 20 }, (_, i) => [1, i % 19, (i * 5) % 19]);
  const plain = await openDecoder(model, options);
  const same = await judgeEarly(plain, whole, prompts, [4], { newTokens: 8 });
  assert.deepEqual(
    [...same.differing],
    prompts.map(() => 0),
  );
  assert.deepEqual([same.leaving, same.depths[0]], [[1], 4]);
  const always = await openEarlyDecoder(early, { confidence: 'margin', threshold: 0 }, options);
  const found = await judgeEarly(always, whole, prompts, early.depths, { newTokens: 8 });
  assert.ok(Math.max(...found.differing) > 0.3);
  assert.deepEqual(found.leaving, [1, 0]);
  assert.equal(found.depths[3], 2);
  await Promise.all([plain.dispose(), always.dispose(), whole.dispose()]);
});

test('a threshold is certified where the prompts prove it, else infeasible', async () => {
  const early = await cutDecoder(model, { exits: [3] });
  const prompts = Array.from({ length: 60 }, (_, i) => [1, i % 19, (i * 5) % 19]);
  const ask = { newTokens: 6, settings: { threads: 1 }, thresholds: [1.5, 0.5, 0] };
  const found = await certifyExits(model, early, prompts, { ...ask, most: 0.1 });
  assert.equal(found.outcome, 'certified');
  assert.deepEqual([found.tried[0]!.risk, found.tried[0]!.depth], [0, 4]);
  assert.ok(found.tried.at(-1)!.pValue > 0.05, 'it goes on until one fails');
  assert.ok(found.outcome === 'certified' && found.rule.threshold > 0);
  const strict = await certifyExits(model, early, prompts.slice(0, 10), { ...ask, most: 0.1 });
  assert.equal(strict.outcome, 'infeasible', 'ten prompts prove nothing at 10 %');
  await assert.rejects(certifyExits(model, early, prompts, { ...ask, most: 0 }), {
    code: 'USAGE_BAD_OPTION',
  });
  await assert.rejects(cutDecoder(model, { exits: [4] }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(cutDecoder(model, { exits: [2, 1] }), { code: 'USAGE_BAD_OPTION' });
});

test('confidences of known distributions', () => {
  const logits = Float32Array.from([Math.log(0.6), Math.log(0.3), Math.log(0.1)]);
  const near = (kind: Parameters<typeof tokenConfidence>[1], wanted: number) =>
    assert.ok(Math.abs(tokenConfidence(logits, kind) - wanted) < 1e-6, kind);
  near('max-probability', 0.6);
  near('margin', 0.3);
  const entropy = -(0.6 * Math.log(0.6) + 0.3 * Math.log(0.3) + 0.1 * Math.log(0.1));
  near('entropy', 1 - entropy / Math.log(3));
  assert.equal(tokenConfidence(Float32Array.from([Number.NaN, 1]), 'margin'), 0);
  assert.equal(tokenConfidence(Float32Array.from([1000, -1000]), 'entropy'), 1);
});

test('from texts to exits that are certified, judged and written, and read again', async () => {
  const texts = Array.from({ length: 90 }, (_, i) =>
    Array.from({ length: 9 }, (_, j) => (i * 3 + j * j) % 19),
  );
  const ask = { exits: [3], most: 0.5, promptTokens: 4, newTokens: 5, epochs: 1, seconds: 0.01, ...options };
  const found = await tokenExits(model, texts, ask);
  assert.deepEqual(found.counts, { learned: 31, certified: 37, judged: 22 });
  assert.ok(found.certified.outcome === 'certified');
  const value = (what: string) => findRecord(found.records, what)!.value;
  assert.ok(value('exits.differing') <= 50);
  assert.ok(value('exits.depth') >= 3 && value('exits.depth') <= 4);
  assert.ok(value('decode.speed-ratio') > 0);
  const folder = await mkdtemp(join(tmpdir(), 'modicum-early-'));
  const { rule } = found.certified;
  await writeEarly(join(folder, 'pieces'), found.early, rule, { 'config.json': '{}' });
  const again = await readEarly(join(folder, 'pieces'));
  assert.deepEqual([again.rule, again.early.depths, again.early.fill], [rule, [3, 4], 'exact']);
  const both = [];
  for (const early of [found.early, again.early]) {
    const open = await openEarlyDecoder(early, rule, options);
    both.push(await written(open, [1, 2], 12));
    await open.dispose();
  }
  assert.deepEqual(both[0], both[1]);
  await writeFile(join(folder, 'pieces/early.json'), '{"format":"other"}');
  await assert.rejects(readEarly(join(folder, 'pieces')), { code: 'NOT_GENERATIVE' });
  await rm(folder, { recursive: true });
  await assert.rejects(tokenExits(model, texts.slice(0, 2), ask), { code: 'DATA_TOO_FEW' });
});
