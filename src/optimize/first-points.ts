import type { Point, Space, Value } from './space/dimension.ts';
import type { SpaceFacts } from './space/model-space.ts';
import { complete, keyOf } from './space/space.ts';

/** Samples a call that are a good start for throughput. */
const BATCH = 16;
/** Layers in float that mend most of what rounding costs, for little of what it gains. */
const SENSITIVE = 2;

/**
 * Where the search begins: the clean model at the settings that usually give the most, then the precisions that published and
 * own figures favour for the mix of operators, then each way of making the model smaller, at its largest.
 */
export function firstPoints(space: Space, { mix, cores, families, minimize }: SpaceFacts): Point[] {
  const has = (name: string, value: Value) =>
    space.dimensions.some((dimension) => dimension.name === name && dimension.values.includes(value));
  const plain = { threads: cores };
  const batch = space.dimensions
    .find(({ name }) => name === 'batch')
    ?.values.filter((value) => Number(value) <= BATCH);
  const many =
    minimize === 'latency' || minimize === 'size'
      ? plain
      : { instances: cores, threads: 1, batch: batch?.at(-1) };
  const quantized = mix.conv >= 0.5 ? ['static', 'dynamic'] : ['dynamic', 'static', 'weights8'];
  const values: Record<string, Value | undefined>[] = [
    many,
    ...quantized
      .filter((precision) => has('precision', precision))
      .map((precision) => ({ ...many, precision })),
    // Ones that are safer than the plainest int8: they often hold where that just does not.
    ...(mix.conv > 0
      ? [
          { ...many, precision: 'static', ranges: 'mse', equalized: 'yes' },
          { ...many, precision: 'static', equalized: 'yes', kept: SENSITIVE },
        ]
      : []),
    ...families.map((family) => ({ ...many, family })),
  ];
  const points = new Map<string, Point>();
  for (const value of values) {
    const point = complete(space, value);
    if (space.allows?.(point) ?? true) points.set(keyOf(space, point), point);
  }
  return [...points.values()];
}
