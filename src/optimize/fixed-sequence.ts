/**
 * Tests hypotheses in an order fixed beforehand and stops at the first that fails: each may be tested at the full
 * level, and the chance that any of those that passed is false still stays within it (Maurer, Hothorn and Lehmacher
 * 1995; Westfall and Krishen 2001). The order here: from the safest variant to the cheapest, decided on the search
 * part alone, the test: the held-out part.
 *
 * Answers how many of the first ones passed.
 */
export async function fixedSequence<T>(
  items: readonly T[],
  test: (item: T) => Promise<boolean>,
): Promise<number> {
  let passed = 0;
  for (const item of items) {
    if (!(await test(item))) break;
    passed++;
  }
  return passed;
}
