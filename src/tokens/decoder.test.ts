import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomCheckpoint } from '../../test/tokens/llama2c-reference.ts';
import { attr, cloneModel, type Model, Tensor } from '../graph/index.ts';
import { openDecoder } from './decoder.ts';
import { generate, generateBatch } from './generate.ts';
import { readCheckpoint } from './llama/checkpoint.ts';
import { decoder } from './llama/decoder.ts';
import { Pen } from './llama/pen.ts';

const VOCABULARY = 5;
/** The logits are the sum of the rows of all tokens so far. */
const TABLE = Float32Array.from({ length: VOCABULARY * VOCABULARY }, (_, i) => ((i * 7 + 3) % 11) - 5);

/** A model with neither mask nor positions, of int32 tokens, with one cache: as little as the form allows. */
function sumOfRows(): Model {
  const pen = new Pen();
  const ids = pen.input('input_ids', 'int32', ['batch', 'seq']);
  const cache = ['batch', 1, 'past', VOCABULARY];
  const past = pen.input('past_key_values.0.key', 'float32', cache);
  const table = pen.weight('table', () => Tensor.float32([VOCABULARY, VOCABULARY], TABLE));
  const rows = pen.op('rows', 'Gather', [table, ids]);
  const now = pen.op('now', 'Unsqueeze', [rows, pen.ints(1)]);
  pen.op('all', 'Concat', [past, now], { axis: attr.int(2) }, 'present.0.key');
  const sum = pen.op('sum', 'ReduceSum', ['present.0.key', pen.ints(2)], { keepdims: attr.int(0) });
  const none = pen.op('none', 'Mul', [rows, pen.float(0)]);
  pen.op('logits', 'Add', [none, sum], {}, 'logits');
  pen.output('logits', 'float32', ['batch', 'seq', VOCABULARY]);
  pen.output('present.0.key', 'float32', ['batch', 1, 'total', VOCABULARY]);
  return pen.model('sum');
}

function expected(prompt: readonly number[], count: number): number[] {
  const text = [...prompt];
  for (let made = 0; made < count; made++) {
    const logits = Array.from({ length: VOCABULARY }, (_, v) =>
      text.reduce((sum, token) => sum + TABLE[token * VOCABULARY + v]!, 0),
    );
    text.push(logits.indexOf(Math.max(...logits)));
  }
  return text.slice(prompt.length);
}

test('a model without mask and positions, with int32 tokens', async () => {
  const open = await openDecoder(sumOfRows(), { context: 12 });
  const tokens: number[] = [];
  for await (const token of generate(open, [2, 0, 4], { newTokens: 8 })) tokens.push(token);
  assert.deepEqual(tokens, expected([2, 0, 4], 8));
  const batch = await generateBatch(open, [[1], [3]], { newTokens: 4 });
  assert.deepEqual(batch, [expected([1], 4), expected([3], 4)]);
  await assert.rejects(generateBatch(open, [[1], [3, 2]]), {
    code: 'USAGE_BAD_OPTION',
    message: /attention_mask/,
  });
  const { prefill, decode } = await open.time([1, 2], [3, 4, 0]);
  assert.ok(prefill > 0 && decode.length === 3 && decode.every((ms) => ms > 0));
  await open.dispose();
  await open.dispose();
  await assert.rejects(open.start([[1]]), { code: 'SESSION_CLOSED' });
});

test('the context is what is asked for, else what the model says, else the usual one', async () => {
  const config = { dim: 8, hidden: 8, layers: 1, heads: 2, kvHeads: 1, vocab: 7, positions: 6 };
  const contexts = [];
  for (const [model, context] of [
    [decoder(readCheckpoint(randomCheckpoint(config))), undefined],
    [decoder(readCheckpoint(randomCheckpoint(config))), 4],
    [sumOfRows(), undefined],
  ] as const) {
    const open = await openDecoder(model, { context });
    contexts.push(open.context);
    await open.dispose();
  }
  assert.deepEqual(contexts, [6, 4, 2048]);
  await assert.rejects(openDecoder(sumOfRows(), { context: 0 }), { code: 'USAGE_BAD_OPTION' });
});

test('a model that the runtime does not take is refused with its reason', async () => {
  const broken = cloneModel(sumOfRows());
  broken.graph.nodes[0]!.op = 'NoSuchOperator';
  await assert.rejects(openDecoder(broken), { code: 'RUNTIME_REFUSED', message: /NoSuchOperator/ });
});
