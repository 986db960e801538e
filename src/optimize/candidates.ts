import type { Recipe, Step } from './recipe.ts';

/** A recipe worth trying, and when. */
export interface Candidate {
  readonly id: string;
  readonly title: string;
  readonly recipe: Recipe;
  /** What kind of arithmetic it brings; fall-back to float is tried for the kinds that calibrate. */
  readonly kind: 'float' | 'static' | 'dynamic' | 'weights' | 'learned';
}

/** Shares of the multiply-accumulates of a model by the kind of operator. */
export interface OpMix {
  readonly conv: number;
  readonly matmul: number;
  readonly recurrent: number;
}

/** What every variant starts with: the graph cleaned, the batch freed where that is sound. */
export const FOUNDATION: Recipe = [
  { pass: 'clean', words: 'clean graph' },
  { pass: 'free-batch', words: 'free batch' },
];

const staticStep = (method: string, more: Record<string, unknown> = {}, words = ''): Step => ({
  pass: 'quantize-static',
  options: { method, ...more },
  words: `int8 static, ${method} ranges${words}`,
});

/** A static recipe that leaves some more nodes in float. */
export function staticWithout(recipe: Recipe, exclude: readonly string[], why: string): Recipe {
  const last = recipe.at(-1)!;
  return [
    ...recipe.slice(0, -1),
    { ...last, options: { ...last.options, exclude }, words: `${last.words}, ${why}` },
  ];
}

function statics(): Candidate[] {
  return (['minmax', 'mse', 'percentile', 'entropy'] as const).map((method) => ({
    id: `int8-static-${method}`,
    title: `int8 static (${method})`,
    recipe: [...FOUNDATION, staticStep(method)],
    kind: 'static',
  }));
}

/** Channels brought to like ranges first: helps depthwise convolutions, whose channels differ most. */
const EQUALIZED: Candidate = {
  id: 'int8-static-equalized',
  title: 'int8 static (equalized, mse)',
  recipe: [...FOUNDATION, { pass: 'equalize', words: 'channels equalized' }, staticStep('mse')],
  kind: 'static',
};

/** For x64 without VNNI, whose 8-bit products saturate in 16 bits. */
const SEVEN_BITS: Candidate = {
  id: 'int8-static-7bit',
  title: 'int8 static (minmax, 7-bit weights)',
  recipe: [...FOUNDATION, staticStep('minmax', { reduceRange: true }, ', 7-bit weights')],
  kind: 'static',
};

const DYNAMIC: Candidate = {
  id: 'int8-dynamic',
  title: 'int8 dynamic',
  recipe: [...FOUNDATION, { pass: 'quantize-dynamic', words: 'int8 dynamic' }],
  kind: 'dynamic',
};

function weights(bits: 4 | 8, blockSize: number): Candidate {
  return {
    id: `int${bits}-weights-${blockSize}`,
    title: `int${bits} weights (blocks of ${blockSize})`,
    recipe: [
      ...FOUNDATION,
      {
        pass: 'quantize-weights',
        options: { bits, blockSize },
        words: `int${bits} weights, blocks of ${blockSize}`,
      },
    ],
    kind: 'weights',
  };
}

/**
 * The quantizations that fit the mix of operators, the most promising first (the order that published and own figures
 * suggest: static for convolutions, dynamic for matrix products and recurrence, weight-only for matrices alone).
 * `saturates`: the processor lacks dot products of 8-bit numbers, so that 7-bit weights may keep more accuracy.
 */
export function candidatesFor(mix: OpMix, saturates: boolean): Candidate[] {
  const [first, ...others] = statics() as [Candidate, ...Candidate[]];
  if (mix.conv > 0) others.unshift(EQUALIZED);
  if (saturates) others.unshift(SEVEN_BITS);
  const matrices = mix.matmul + mix.recurrent;
  if (mix.conv >= 0.5) return matrices > 0.05 ? [first, DYNAMIC, ...others] : [first, ...others];
  return [DYNAMIC, first, weights(8, 32), weights(4, 32), ...others, weights(4, 128)];
}
