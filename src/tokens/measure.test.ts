import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRecord } from '../measure/index.ts';
import type { Decoder } from './decoder.ts';
import { measureTokens } from './measure.ts';

/** Waits as long as its tokens are said to take, and counts what it is asked for. */
class Slow implements Decoder {
  readonly context = 40;
  length = 0;
  turn = 0;
  readonly prompts: number[] = [];

  async start([prompt]: readonly (readonly number[])[]): Promise<Float32Array[]> {
    this.turn++;
    this.prompts.push(prompt!.length);
    this.length = prompt!.length;
    return this.#wait(0.5 * prompt!.length);
  }

  next(): Promise<Float32Array[]> {
    this.length++;
    return this.#wait(2);
  }

  async dispose(): Promise<void> {}

  async #wait(milliseconds: number): Promise<Float32Array[]> {
    const until = performance.now() + milliseconds;
    while (performance.now() < until);
    return [new Float32Array(9)];
  }
}

test('prefill and decode are timed apart, by the length of the prompt', async () => {
  const decoder = new Slow();
  const points = await measureTokens(decoder, {
    promptTokens: [4, 20],
    newTokens: 5,
    seconds: 0.01,
    machine: 'm',
  });
  assert.deepEqual(decoder.prompts.slice(0, 5), [1, 4, 20, 4, 20], 'the lengths take turns');
  for (const [i, prefill] of [2, 10].entries()) {
    const { records, promptTokens } = points[i]!;
    assert.equal(promptTokens, [4, 20][i]);
    const value = (what: string) => findRecord(records, what)!.value;
    assert.ok(value('prefill.latency') >= prefill && value('prefill.latency') < prefill + 5);
    assert.ok(
      Math.abs((value('prefill.throughput') * value('prefill.latency')) / (1000 * promptTokens) - 1) < 1e-9,
    );
    assert.ok(value('decode.latency') >= 2 && value('decode.latency') < 5);
    assert.ok(value('decode.throughput') <= 500);
    const { interval, n, settings } = findRecord(records, 'decode.throughput')!;
    assert.ok(interval!.low <= value('decode.throughput') && value('decode.throughput') <= interval!.high);
    assert.equal(n, 5 * Math.max(6, n / 5));
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
