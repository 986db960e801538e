import { type Dimension, keyOf, type Point } from '../src/optimize/index.ts';
import type { Landscape } from '../test/optimize/landscape.ts';

/** A space of a real model, measured whole: what `search-record` writes. Plain JSON. */
export interface RecordedSpace {
  readonly name: string;
  readonly machine: string;
  readonly at: string;
  readonly maxDrop: number;
  readonly dimensions: readonly Dimension[];
  /** Threads times instances stay within these. */
  readonly cores: number;
  /** By key of the point: cost relative to the model as given, loss in the unit of the metric, the cheap guess. */
  readonly points: Readonly<
    Record<string, { readonly cost: number; readonly drop: number; readonly proxy: number }>
  >;
}

/** The recorded points as a landscape; points that could not be made are not of the space. */
export function readRecorded(text: string): Landscape {
  const { name, maxDrop, dimensions, points } = JSON.parse(text) as RecordedSpace;
  const bare = { dimensions };
  const at = (point: Point) => points[keyOf(bare, point)]!;
  return {
    name,
    space: { dimensions, allows: (point) => points[keyOf(bare, point)] !== undefined },
    truth: (point) => ({ objective: at(point).cost, loss: at(point).drop - maxDrop }),
    proxy: (point) => at(point).proxy,
  };
}
