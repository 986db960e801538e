import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareDecoders } from './compare.ts';
import type { Decoder } from './decoder.ts';

/** Says that it takes so long for a token, times a factor that all share in a round. */
function saying(milliseconds: number, log: string[], name: string): Decoder {
  return {
    context: 9,
    start: async () => [],
    next: async () => [],
    async *write() {},
    async time(prompt, tokens) {
      log.push(`${name}${prompt.length}`);
      return { prefill: 1, decode: Float64Array.from(tokens, () => milliseconds * prompt.length) };
    },
    dispose: async () => {},
  };
}

test('ratios are paired by round: what slows all of them does not matter', async () => {
  const log: string[] = [];
  const decoders = [
    { name: 'slow', decoder: saying(6, log, 's') },
    { name: 'fast', decoder: saying(2, log, 'f') },
  ];
  const texts = [
    { prompt: [1], tokens: [1, 2] },
    { prompt: [1, 1, 1], tokens: [3] },
  ];
  const [slow, fast] = await compareDecoders(decoders, texts, { seconds: 0.001, machine: 'm' });
  assert.deepEqual([slow!.ratio.value, fast!.ratio.value], [1, 3]);
  assert.deepEqual([fast!.ratio.interval!.low, fast!.ratio.interval!.high], [3, 3]);
  assert.ok(fast!.latency.value >= 2 && fast!.latency.value <= 6);
  assert.ok(log.length >= 14, 'a round to warm up and six more');
  for (let i = 0; i < log.length; i += 2)
    assert.equal(log[i]!.slice(1), log[i + 1]!.slice(1), 'the same text');
  assert.ok(log.includes('f1') && new Set(log.filter((_, i) => i % 2 === 0).map((one) => one[0])).size === 2);
  await assert.rejects(compareDecoders(decoders, []), { code: 'USAGE_BAD_OPTION' });
});
