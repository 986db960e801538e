import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomCheckpoint } from '../../../test/tokens/llama2c-reference.ts';
import { openDecoder, openEarlyDecoder } from '../decoder.ts';
import { readCheckpoint } from '../llama/checkpoint.ts';
import { decoder } from '../llama/decoder.ts';
import { cutDecoder, type ExitMap } from './cut.ts';
import { fitExitMaps } from './fit-maps.ts';
import { trainExitMaps } from './train-maps.ts';

const CONFIG = { dim: 16, hidden: 12, layers: 3, heads: 4, kvHeads: 2, vocab: 13, positions: 16 };
const settings = { threads: 1 };

/** log of the sum of exp. */
const total = (logits: Float32Array) => Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));

test('a learned map says more nearly what the whole model says than a fitted one', async () => {
  const model = decoder(readCheckpoint(randomCheckpoint(CONFIG, 5)));
  const texts = Array.from({ length: 30 }, (_, i) =>
    Array.from({ length: 14 }, (_, j) => (i * 5 + j * j * (i % 7) + j) % 13),
  );
  const exits = [2];
  const fitted = await fitExitMaps(model, texts, { exits, settings });
  const trained = await trainExitMaps(model, texts, { exits, settings, epochs: 60, rate: 1e-2 });
  const whole = await openDecoder(model, { settings });
  const divergence = async (maps: readonly ExitMap[]) => {
    const early = await cutDecoder(model, { exits, maps });
    const open = await openEarlyDecoder(early, { confidence: 'margin', threshold: 0 }, { settings });
    let sum = 0;
    for (const text of texts.slice(0, 10)) {
      await open.start([text.slice(0, 1)]);
      await whole.start([text.slice(0, 1)]);
      for (const token of text.slice(1)) {
        const [own] = await open.next([token]);
        const [theirs] = await whole.next([token]);
        const [a, b] = [total(own!), total(theirs!)];
        for (const [i, value] of theirs!.entries()) sum += Math.exp(value - b) * (value - b - (own![i]! - a));
      }
    }
    await open.dispose();
    return sum;
  };
  const [before, after] = [await divergence(fitted), await divergence(trained)];
  assert.ok(after < 0.93 * before, `${after} after, ${before} before`);
  const again = await trainExitMaps(model, texts, { exits, settings, epochs: 60, rate: 1e-2 });
  assert.deepEqual(again[0]!.weight, trained[0]!.weight, 'the same seed, the same map');
  await whole.dispose();
});
