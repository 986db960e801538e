import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRecord } from '../measure/index.ts';
import type { Decoder } from './decoder.ts';
import { measureTokens } from './measure.ts';

/** Takes half a millisecond for a token of a prompt and two for one after it, or says so. */
class Slow implements Decoder {
  readonly context = 40;
  readonly prompts: number[] = [];

  async start(): Promise<Float32Array[]> {
    return [new Float32Array(9)];
  }

  next(): Promise<Float32Array[]> {
    return this.start();
  }

  async *write(): AsyncGenerator<never> {}

  async time(prompt: readonly number[], tokens: readonly number[]) {
    this.prompts.push(prompt.length);
    return {
      prefill: 0.5 * prompt.length,
      decode: Float64Array.from(tokens, (_, i) => (i === 0 ? 4 : 2)),
    };
  }

  async dispose(): Promise<void> {}
}

test('prefill and decode are timed apart, by the length of the prompt', async () => {
  const decoder = new Slow();
  const points = await measureTokens(decoder, {
    promptTokens: [4, 20],
    newTokens: 5,
    seconds: 0.01,
    machine: 'm',
  });
  assert.deepEqual(decoder.prompts.slice(0, 4), [4, 20, 4, 20], 'the lengths take turns');
  for (const [i, prefill] of [2, 10].entries()) {
    const { records, promptTokens } = points[i]!;
    assert.equal(promptTokens, [4, 20][i]);
    const value = (what: string) => findRecord(records, what)!.value;
    assert.equal(value('prefill.latency'), prefill);
    assert.equal(value('prefill.throughput'), 2000);
    assert.equal(value('decode.latency'), 2);
    assert.equal(value('decode.p99'), 4);
    assert.ok(Math.abs(value('decode.throughput') - 5000 / 12) < 1e-9);
    const { interval, n, settings } = findRecord(records, 'decode.throughput')!;
    assert.ok(interval!.low <= value('decode.throughput') && value('decode.throughput') <= interval!.high);
    assert.ok(n >= 30 && n % 5 === 0);
    assert.deepEqual(settings, { promptTokens, newTokens: 5 });
  }
});

test('what has no room, and a stop, are refused', async () => {
  await assert.rejects(measureTokens(new Slow(), { promptTokens: [36], newTokens: 5 }), {
    code: 'CONTEXT_FULL',
  });
  await assert.rejects(measureTokens(new Slow(), { promptTokens: [0] }), { code: 'USAGE_BAD_OPTION' });
  const signal = AbortSignal.abort();
  await assert.rejects(measureTokens(new Slow(), { promptTokens: [4], newTokens: 1, signal }), {
    name: 'AbortError',
  });
});
