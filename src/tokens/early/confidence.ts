/** How sure an exit is of the next token, from its logits: between 0 and 1, higher is surer. */
export type TokenConfidence = 'max-probability' | 'margin' | 'entropy';

export const TOKEN_CONFIDENCES: readonly TokenConfidence[] = ['max-probability', 'margin', 'entropy'];

/**
 * max-probability: the largest probability p1. margin: p1 - p2. entropy: 1 - H / log(vocabulary).
 * (CALM, section 3.5, has the margin as "softmax response".) NaN among the logits: 0.
 */
export function tokenConfidence(logits: Float32Array, kind: TokenConfidence): number {
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    if (value > first) [first, second] = [value, first];
    else if (value > second) second = value;
  }
  let [total, weighted] = [0, 0];
  for (let i = 0; i < logits.length; i++) {
    const below = logits[i]! - first;
    const weight = Math.exp(below);
    total += weight;
    // 0 log 0 is 0.
    if (weight > 0) weighted += weight * below;
  }
  const sure =
    kind === 'max-probability'
      ? 1 / total
      : kind === 'margin'
        ? (1 - Math.exp(second - first)) / total
        : 1 - (Math.log(total) - weighted / total) / Math.log(logits.length);
  return Number.isNaN(sure) ? 0 : sure;
}
