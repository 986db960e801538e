import type { Builder, Walked } from '../loop/builder.ts';
import type { Expr } from '../loop/ir.ts';

/** One loop: how often, and how many bytes each pointer moves a turn. */
export interface Axis {
  readonly size: number;
  readonly steps: readonly number[];
}

/** Loops with the fewest levels: axes of one element are left out, neighbours that all pointers see as one axis are joined. */
export function joined(axes: readonly Axis[]): Axis[] {
  const result: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = result.at(-1);
    if (outer?.steps.every((step, i) => step === axis.steps[i]! * axis.size)) {
      result[result.length - 1] = { size: outer.size * axis.size, steps: axis.steps };
    } else result.push(axis);
  }
  return result;
}

/** Nested loops over all the axes, outermost first. */
export function walkAll(
  b: Builder,
  axes: readonly Axis[],
  pointers: readonly Expr[],
  fill: (pointers: Expr[]) => void,
): void {
  const [first, ...rest] = axes;
  if (first === undefined) {
    fill([...pointers]);
    return;
  }
  const walked = pointers.map((pointer, i): Walked => [pointer, first.steps[i]!]);
  b.walk(first.size, walked, (moved) => walkAll(b, rest, moved, fill));
}
