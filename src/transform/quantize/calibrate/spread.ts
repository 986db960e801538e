/** At most `count` sample numbers of 0..size-1, ascending and evenly spread: data often lie sorted by class. */
export function spreadIndices(size: number, count: number): number[] {
  const taken = Math.min(size, count);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * size) / taken));
}
