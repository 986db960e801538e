import type { Model } from '../graph/index.ts';
import type { TrainingTimes } from './space/recipe-of.ts';

/** Share of the budget that may go into smaller models; of that, what goes into training itself: the rest cuts, refits and measures. */
const SHAPES = { budget: 0.6, trained: 0.6 } as const;
/** Share of the budget in which quantization may be learned. */
const LEARNED = 0.15;
/** A pass over the data takes some time however small the share: fewer seconds than these teach nothing. */
const LEAST_SECONDS = 3;

/** Ways of making a model smaller by training: cutting it, the built-in architectures that suit what it reads, leaving blocks out. */
export function familiesFor(model: Model): string[] {
  return ['pruned', ...architecturesFor(model), 'shallower'];
}

/** Further sizes of the families that are tried, about, once each was seen at its largest. */
const FURTHER = 3;

/** What each training may take, so that about those that are tried fit into the budget. */
export function trainingTimes(families: readonly string[], budget: number): TrainingTimes {
  const count = families.length + FURTHER;
  return {
    shape: Math.max(LEAST_SECONDS, (SHAPES.trained * SHAPES.budget * budget) / count),
    learned: Math.max(LEAST_SECONDS, (LEARNED * budget) / 2),
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
