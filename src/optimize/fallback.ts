/**
 * How many of the most sensitive layers to take back to float, step by step: few at first, then twice as many, at most
 * half of them (past that, little is left to gain).
 */
export function fallbackCounts(layers: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count <= Math.max(1, layers / 2) && count < layers; count *= 2) counts.push(count);
  return counts;
}
