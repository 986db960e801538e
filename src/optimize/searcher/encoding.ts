import type { Dimension, Point, Space } from '../space/dimension.ts';

/** The number of the value in each dimension; one past the last stands for a dimension that is not there. */
export type Code = Uint8Array;

/** How far apart the values of a dimension lie, 0..1: a table of [values + 1, values + 1]. */
export interface Axis {
  readonly name: string;
  readonly size: number;
  readonly distances: Float64Array;
}

/** Points as numbers, for a model that only needs to know how near they are. */
export class Encoding {
  readonly axes: readonly Axis[];
  readonly #dimensions: readonly Dimension[];

  /** `kind`: only the dimensions of that kind. */
  constructor({ dimensions }: Space, kind?: Dimension['kind']) {
    this.#dimensions = dimensions.filter(
      (dimension) =>
        (kind === undefined || dimension.kind === kind) && (dimension.values.length > 1 || dimension.when),
    );
    this.axes = this.#dimensions.map(({ name, values, ordered }) => {
      const size = values.length + 1;
      const distances = new Float64Array(size * size);
      for (let a = 0; a < size; a++) {
        for (let b = 0; b < size; b++) {
          const apart =
            ordered && a < values.length && b < values.length ? Math.abs(a - b) / (values.length - 1) : 1;
          distances[a * size + b] = a === b ? 0 : apart;
        }
      }
      return { name, size, distances };
    });
  }

  encode(point: Point): Code {
    return Uint8Array.from(this.#dimensions, ({ name, values }) => {
      const value = point[name];
      return value === undefined ? values.length : values.indexOf(value);
    });
  }

  /** The sum of the distances over all dimensions. */
  distance(a: Code, b: Code): number {
    let sum = 0;
    for (const [d, { size, distances }] of this.axes.entries()) sum += distances[a[d]! * size + b[d]!]!;
    return sum;
  }
}
