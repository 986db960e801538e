import type { Random } from '../../../src/base/index.ts';
import { attr, Tensor } from '../../../src/graph/index.ts';
import { between, fed, fixed, type GradientCase, pick, single, values } from './case.ts';

const MICROSOFT = { domain: 'com.microsoft' };

/** A mask of [batch, length] that leaves the first position, as padding on the right does. */
function padding(random: Random, batch: number, length: number): Tensor {
  const rows = Array.from({ length: batch }, () => between(random, 1, length));
  const ones = rows.flatMap((kept) => Array.from({ length }, (_, i) => Number(i < kept)));
  return Tensor.of('int32', [batch, length], Int32Array.from(ones));
}

/** Attention written as one node. */
export const ATTENTION_CASES: readonly GradientCase[] = [
  {
    name: 'Attention',
    ops: ['Attention'],
    make(random) {
      const [batch, length, total, size, valueSize] = [between(random, 1, 2), 3, between(random, 3, 4), 2, 3];
      const [heads, shared] = pick(random, [
        [2, 2],
        [2, 1],
        [4, 2],
      ]) as [number, number];
      const flat = random.uniform() < 0.5;
      const operand = (count: number, steps: number, width: number) =>
        values(random, flat ? [batch, steps, count * width] : [batch, count, steps, width]);
      const allowed = Uint8Array.from({ length: length * total }, (_, i) =>
        i % total === 0 ? 1 : random.below(2),
      );
      const mask = pick(random, [
        undefined,
        fed(Tensor.of('bool', [length, total], allowed)),
        values(random, [batch, 1, length, total]),
      ]);
      const inputs = [
        operand(heads, length, size),
        operand(shared, total, size),
        operand(shared, total, valueSize),
        mask,
      ];
      const attributes = {
        is_causal: mask === undefined && total === length ? 1 : 0,
        scale: pick(random, [undefined, attr.float(0.3)]),
        softcap: pick(random, [undefined, attr.float(2)]),
        ...(flat ? { q_num_heads: heads, kv_num_heads: shared } : {}),
      };
      return single('Attention', inputs, attributes, { opset: 23 });
    },
  },
  {
    name: 'com.microsoft:Attention',
    ops: ['com.microsoft:Attention'],
    make(random) {
      const [batch, length, heads, size, width] = [between(random, 1, 2), between(random, 2, 3), 2, 2, 3];
      const hidden = heads * size;
      const inputs = [
        values(random, [batch, length, width]),
        values(random, [width, 3 * hidden]),
        values(random, [3 * hidden]),
        random.uniform() < 0.5 ? fixed(padding(random, batch, length)) : undefined,
        undefined,
        random.uniform() < 0.3 ? values(random, [batch, heads, length, length]) : undefined,
      ];
      const attributes = {
        num_heads: heads,
        unidirectional: random.below(2),
        scale: pick(random, [undefined, attr.float(0.4)]),
      };
      return single('Attention', inputs, attributes, MICROSOFT);
    },
  },
  {
    name: 'com.microsoft:MultiHeadAttention',
    ops: ['com.microsoft:MultiHeadAttention'],
    make(random) {
      const [batch, length, heads, size] = [between(random, 1, 2), between(random, 2, 3), 2, 2];
      const causal = random.uniform() < 0.3;
      const total = causal ? length : between(random, 2, 4);
      const hidden = heads * size;
      const inputs = [
        values(random, [batch, length, hidden]),
        values(random, [batch, total, hidden]),
        values(random, [batch, total, hidden]),
        random.uniform() < 0.5 ? values(random, [3 * hidden]) : undefined,
        random.uniform() < 0.4 ? fixed(padding(random, batch, total)) : undefined,
        random.uniform() < 0.4 ? values(random, [batch, heads, length, total]) : undefined,
      ];
      const attributes = { num_heads: heads, unidirectional: causal ? 1 : 0 };
      return single('MultiHeadAttention', inputs, attributes, MICROSOFT);
    },
  },
];

const skipped = (op: string, bias: boolean): GradientCase => ({
  name: `com.microsoft:${op}`,
  ops: [`com.microsoft:${op}`],
  make(random) {
    const [batch, length, width] = [between(random, 1, 2), between(random, 1, 3), between(random, 3, 4)];
    const x = () => values(random, [batch, length, width]);
    const vector = () => values(random, [width]);
    const inputs = [
      x(),
      x(),
      vector(),
      ...(bias ? [random.uniform() < 0.7 ? vector() : undefined] : []),
      random.uniform() < 0.5 ? vector() : undefined,
    ];
    const outputs = pick(random, [['y0'], ['y0', '', '', 'y3']]);
    return single(op, inputs, { epsilon: attr.float(0.01) }, { ...MICROSOFT, outputs });
  },
});

/** Norms that are expanded. */
export const NORM_CASES: readonly GradientCase[] = [
  skipped('SkipLayerNormalization', true),
  skipped('SkipSimplifiedLayerNormalization', false),
  {
    name: 'SimplifiedLayerNormalization',
    ops: ['SimplifiedLayerNormalization'],
    make(random) {
      const inputs = [values(random, [2, 3, 4]), values(random, [4])];
      return single('SimplifiedLayerNormalization', inputs, { axis: -1, epsilon: attr.float(0.01) });
    },
  },
  {
    name: 'Swish',
    ops: ['Swish'],
    make: (random) =>
      single(
        'Swish',
        [values(random, [2, 3])],
        { alpha: pick(random, [undefined, attr.float(1.5)]) },
        { opset: 24 },
      ),
  },
];
