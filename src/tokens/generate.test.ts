import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomCheckpoint } from '../../test/tokens/llama2c-reference.ts';
import type { Port } from '../run/index.ts';
import { cacheForm, isGenerative } from './cache-form.ts';
import { openDecoder } from './decoder.ts';
import { generate, generateBatch } from './generate.ts';
import { readCheckpoint } from './llama/checkpoint.ts';
import { decoder } from './llama/decoder.ts';
import { sampler } from './sampling.ts';

const CONFIG = { dim: 16, hidden: 12, layers: 1, heads: 2, kvHeads: 2, vocab: 13, positions: 10 };
const open = () =>
  openDecoder(decoder(readCheckpoint(randomCheckpoint(CONFIG, 2))), { settings: { threads: 1 } });
const all = async (tokens: AsyncIterable<number>) => {
  const found: number[] = [];
  for await (const token of tokens) found.push(token);
  return found;
};

test('a text ends when it is told to, when the context is full, and at a stop token', async () => {
  const model = await open();
  const whole = await all(generate(model, [1, 2, 3]));
  assert.equal(whole.length, 8, 'ten positions: seven tokens are read again, and one more is made');
  assert.deepEqual(await all(generate(model, [1, 2, 3], { newTokens: 4 })), whole.slice(0, 4));
  assert.deepEqual(await all(generate(model, [1, 2, 3], { newTokens: 0 })), []);
  const stop = whole[2]!;
  assert.deepEqual(
    await all(generate(model, [1, 2, 3], { stop: [stop] })),
    whole.slice(0, whole.indexOf(stop)),
  );
  await assert.rejects(all(generate(model, new Array(11).fill(1))), { code: 'CONTEXT_FULL' });
  await assert.rejects(all(generate(model, [])), { code: 'USAGE_BAD_OPTION' });
  await model.dispose();
});

test('sampling repeats by its seed; a batch samples as each alone', async () => {
  const model = await open();
  const options = { temperature: 1.5, newTokens: 6, seed: 3 };
  const first = await all(generate(model, [1], options));
  assert.deepEqual(await all(generate(model, [1], options)), first);
  const other = await all(generate(model, [1], { ...options, seed: 4 }));
  assert.notDeepEqual(other, first);
  assert.deepEqual(await generateBatch(model, [[1], [1]], options), [first, other]);
  await model.dispose();
});

test('a stop from outside ends it, and two texts on one decoder are noticed', async () => {
  const model = await open();
  const controller = new AbortController();
  await assert.rejects(
    async () => {
      for await (const _ of generate(model, [1], { signal: controller.signal })) controller.abort();
    },
    { name: 'AbortError' },
  );
  const one = generate(model, [1]);
  await one.next();
  await generate(model, [2]).next();
  await assert.rejects(one.next(), { code: 'USAGE_BAD_OPTION', message: /meanwhile/ });
  await model.dispose();
});

test('samplers: what they may choose, and how often', () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);
  const counts = (options: object) => {
    const choose = sampler({ temperature: 1, ...options });
    const found = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) found[choose(logits)]!++;
    return found.map((count) => count / 20_000);
  };
  const near = (found: number[], wanted: number[]) => {
    for (const [i, share] of wanted.entries()) assert.ok(Math.abs(found[i]! - share) < 0.015, `${found}`);
  };
  near(counts({}), [0.5, 0.3, 0.15, 0.05]);
  near(counts({ topK: 2 }), [0.625, 0.375, 0, 0]);
  near(counts({ topP: 0.8 }), [0.625, 0.375, 0, 0]);
  near(counts({ topP: 0.81 }), [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]);
  near(
    counts({ temperature: 0.5 }),
    [0.25, 0.09, 0.0225, 0.0025].map((share) => share / 0.365),
  );
  assert.equal(sampler()(Float32Array.from([1, 3, 3])), 1, 'the first of equals');
  for (const wrong of [{ temperature: -1 }, { topK: 0 }, { topP: 0 }, { topP: 1.1 }]) {
    assert.throws(() => sampler(wrong), { code: 'USAGE_BAD_OPTION' });
  }
});

const float = (name: string, ...shape: (string | number)[]): Port => ({ name, dtype: 'float32', shape });
const ids: Port = { name: 'input_ids', dtype: 'int64', shape: ['B', 'S'] };
const logits = float('logits', 'B', 'S', 9);
const past = float('past_key_values.0.key', 'B', 4, 'P', 8);
const present = float('present.0.key', 'B', 4, 'T', 8);

test('the form is told from the ports, and what is unknown is named', () => {
  assert.ok(isGenerative([ids, past], [logits, present]));
  assert.ok(!isGenerative([ids], [logits]));
  const form = cacheForm([ids, past], [logits, present]);
  assert.deepEqual(
    [form.carry, form.axis, form.mask],
    [{ 'past_key_values.0.key': 'present.0.key' }, 2, undefined],
  );
  const turned = float('past_key_values.0.key', 'B', 'P', 4, 8);
  assert.equal(cacheForm([ids, turned], [logits, present]).axis, 1);
  const refused = (inputs: Port[], outputs: Port[], message: RegExp) =>
    assert.throws(() => cacheForm(inputs, outputs), { code: 'NOT_GENERATIVE', message });
  refused([ids], [logits], /past_key_values/);
  refused([ids, past], [logits], /present\.0\.key/);
  const branch: Port = { name: 'use_cache_branch', dtype: 'bool', shape: [1] };
  refused([ids, branch, past], [logits, present], /use_cache_branch/);
  refused([past], [logits, present], /input_ids/);
  refused([ids, float('past_key_values.0.key', 2, 'B', 4, 'P', 8)], [logits, present], /axis/);
});
