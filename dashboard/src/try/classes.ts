import type { Tensor } from '../../../src/client/browser.ts';
import { elementsOf } from '../server/tensors.ts';

export interface Class {
  readonly index: number;
  readonly label: string;
  readonly score: number;
  /** Undefined where the scores are no probabilities and cannot be made ones. */
  readonly probability: number;
}

export interface Classes {
  readonly top: readonly Class[];
  /** The probabilities are the softmax of what the model answers. */
  readonly softmax: boolean;
}

const MOST_CLASSES = 20_000;
const SHOWN = 5;

/** Scores of one sample as its likeliest classes; undefined where a tensor is nothing of the kind. */
export function classesOf(tensor: Tensor, labels: readonly string[]): Classes | undefined {
  const { dtype, dims, size } = tensor;
  if (!/^float(16|32|64)$/.test(dtype) || dims.at(-1) !== size || size < 2 || size > MOST_CLASSES)
    return undefined;
  const scores = Array.from(elementsOf(tensor), Number);
  if (!scores.every(Number.isFinite)) return undefined;
  const total = scores.reduce((sum, score) => sum + score, 0);
  const softmax = scores.some((score) => score < -1e-3 || score > 1.001) || Math.abs(total - 1) > 0.02;
  const highest = Math.max(...scores);
  const weights = softmax ? scores.map((score) => Math.exp(score - highest)) : scores;
  const whole = softmax ? weights.reduce((sum, weight) => sum + weight, 0) : 1;
  const top = scores
    .map((score, index) => ({
      index,
      label: labels[index] ?? String(index),
      score,
      probability: weights[index]! / whole,
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, SHOWN);
  return { top, softmax };
}
