import type { Model } from '../graph/index.ts';
import type { Candidate } from './candidates.ts';
import { FOUNDATION } from './candidates.ts';
import type { Step } from './recipe.ts';
import type { Variant } from './variant.ts';

/** Shares of the MACs that smaller models are made for, the largest first. */
const SHARES = [0.5, 0.25, 0.12] as const;
/** The rest of the time cuts, refits and measures. */
const TRAINED = 0.6;
/** A pass over the data takes some time however small the share: fewer seconds than these teach nothing. */
const LEAST_SECONDS = 3;

/**
 * Ways of making the model smaller by training, each with its sizes, the largest first: cutting it, leaving blocks out, and
 * architectures that suit what it reads. `seconds`: what all of them together may take.
 */
export function shapesFor(model: Model, seconds: number): Candidate[][] {
  const names = architecturesFor(model);
  const count = SHARES.length * (names.length + 1) + 1;
  const each = Math.max(LEAST_SECONDS, (TRAINED * seconds) / count);
  return [
    SHARES.map((share) => pruned(share, each)),
    ...names.map((name) => SHARES.map((share) => distilled(`${name}:${share}`, share, each))),
    [distilled('shallower:0.5', undefined, each)],
  ];
}

const percent = (share: number) => `${Math.round(100 * share)} % of the MACs`;

function pruned(share: number, seconds: number): Candidate {
  return {
    id: `prune-${Math.round(100 * share)}`,
    title: `pruned (${percent(share)})`,
    recipe: [
      ...FOUNDATION,
      {
        pass: 'prune-tune',
        options: { ratio: 1 - share, seconds },
        words: `pruned to ${percent(share)}, refitted and taught`,
      },
    ],
    kind: 'float',
  };
}

function distilled(student: string, share: number | undefined, seconds: number): Candidate {
  const size = share === undefined ? '' : ` (${percent(share)})`;
  const name = student.split(':')[0]!;
  return {
    id: `distill-${student.replace(/[^a-z0-9]+/g, '-')}`,
    title: `${name} distilled${size}`,
    recipe: [
      ...FOUNDATION,
      { pass: 'distill', options: { student, seconds }, words: `distilled into ${student}` },
    ],
    kind: 'float',
  };
}

/** The built-in architectures that suit what the model reads: pictures and spectrograms, or rows of numbers. */
function architecturesFor({ graph }: Model): string[] {
  const fed = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const [only] = fed;
  if (fed.length !== 1 || only?.type.kind !== 'tensor') return [];
  const rank = only.type.shape?.length;
  if (only.type.dtype !== 'float32') return rank === 2 ? ['transformer'] : [];
  if (rank === 4) return ['ds-cnn', 'residual-cnn'];
  return rank === 2 ? ['mlp'] : rank === 3 ? ['ds-cnn'] : [];
}

/** Quantization that is learned, on top of the cheapest model that keeps the accuracy; roundings that are chosen layer by layer. */
export function learnedCandidates(cheapest: Variant | undefined, seconds: number): Candidate[] {
  const base = cheapest?.recipe ?? FOUNDATION;
  const [id, title] = cheapest === undefined ? ['', ''] : [`${cheapest.id}-`, `${cheapest.title}, `];
  const each = Math.max(LEAST_SECONDS, seconds / 2);
  return [
    {
      id: `${id}int8-aware`,
      title: `${title}int8 learned (QAT)`,
      recipe: [...base, { pass: 'quantize-aware', options: { seconds: each }, words: 'int8 learned' }],
      kind: 'learned',
    },
    {
      id: `${id}int8-adaround`,
      title: `${title}int8 static (AdaRound)`,
      recipe: [
        ...base,
        { pass: 'adaround', options: { seconds: each }, words: 'int8 static, roundings chosen' },
      ],
      kind: 'learned',
    },
  ];
}

/** The first ways of quantizing, on top of a smaller model. */
export function smallerCandidates(shape: Variant, plain: readonly Candidate[]): Candidate[] {
  return plain
    .filter(({ kind }) => kind === 'static' || kind === 'dynamic')
    .slice(0, 2)
    .map((candidate) => {
      const tail: readonly Step[] = candidate.recipe.slice(FOUNDATION.length);
      return {
        id: `${shape.id}-${candidate.id}`,
        title: `${shape.title}, ${candidate.title}`,
        recipe: [...shape.recipe, ...tail],
        kind: candidate.kind,
      };
    });
}
