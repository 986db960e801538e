import type { Random } from '../../src/base/index.ts';
import type { Brush } from './brush.ts';
import { type Colour, hsv, scaled } from './canvas.ts';
import { between, pick, type Scene } from './scene.ts';

/** Something beside the road that is no obstacle, though it may look like one or stand before one. */
export interface Thing {
  /** Metres ahead, and to the right of the middle of the lane. */
  readonly ahead: number;
  readonly sideways: number;
  paint(brush: Brush): void;
}

const BARK: Colour = [0.25, 0.18, 0.12];
const STEEL: Colour = [0.55, 0.56, 0.58];

/** Trees, bushes, houses, signs and posts along both sides, thinning out with the distance. */
export function drawRoadside(scene: Scene, random: Random): Thing[] {
  const things: Thing[] = [];
  const kinds = pick(random, [
    ['tree', 'tree', 'bush', 'post'],
    ['house', 'house', 'sign', 'tree'],
    ['bush', 'post', 'sign'],
    ['tree', 'tree', 'tree', 'bush'],
    ['house', 'sign', 'post', 'post'],
  ] as const);
  for (let count = random.below(12); count > 0; count--) {
    const kind = pick(random, kinds);
    const ahead = 5 + 75 * random.uniform() ** 1.5;
    const away =
      kind === 'house'
        ? between(random, 6, 16)
        : kind === 'tree'
          ? between(random, 1.5, 12)
          : between(random, 0.3, 4);
    const sideways = random.uniform() < 0.5 ? scene.left - away : scene.right + away;
    things.push(drawThing(kind, ahead, sideways, scene, random));
  }
  return things;
}

/** A thing that stands before others, its left or right edge (side -1 or 1) at a place. */
export function drawCover(ahead: number, edge: number, side: -1 | 1, scene: Scene, random: Random): Thing {
  const kind = pick(random, ['post', 'bush', 'sign', 'trunk'] as const);
  return drawThing(kind, ahead, edge - side * COVER_HALF[kind], scene, random);
}

/** About half of their widths, metres. */
const COVER_HALF = { post: 0.07, bush: 0.9, sign: 0.4, trunk: 0.16 };

type Kind = 'tree' | 'bush' | 'house' | 'sign' | 'post' | 'trunk';

function drawThing(kind: Kind, ahead: number, sideways: number, scene: Scene, random: Random): Thing {
  const leaves: Colour =
    scene.weather === 'snow' && random.uniform() < 0.6
      ? [0.8, 0.83, 0.88]
      : hsv(between(random, 0.1, 0.36), between(random, 0.3, 0.7), between(random, 0.15, 0.5));
  return { ahead, sideways, paint: looks(kind, leaves, random) };
}

function looks(kind: Kind, leaves: Colour, random: Random): (brush: Brush) => void {
  switch (kind) {
    case 'tree': {
      const height = between(random, 4, 11);
      const pointed = random.uniform() < 0.35;
      const half = height * (pointed ? 0.2 : between(random, 0.22, 0.34));
      const tilt = between(random, -0.3, 0.3);
      return (brush) => {
        brush.limb([0, 0], [tilt * 0.5, 0.5 * height], 0.05 * height, BARK);
        if (pointed) {
          for (const y of [0.2, 0.42, 0.64]) {
            const wide = half * (1.15 - y);
            brush.shape(
              [
                [-wide, y * height],
                [wide, y * height],
                [0, (y + 0.36) * height],
              ],
              scaled(leaves, 0.7 + 0.4 * y),
            );
          }
        } else {
          brush.disc([tilt, 0.62 * height], half, 0.34 * height, scaled(leaves, 0.8));
          brush.disc([tilt - 0.3 * half, 0.72 * height], 0.6 * half, 0.2 * height, leaves);
        }
      };
    }
    case 'bush': {
      const height = between(random, 0.5, 1.8);
      const wide = between(random, 0.5, 1.1) * height;
      return (brush) => {
        brush.disc([0, 0.45 * height], wide, 0.55 * height, scaled(leaves, 0.75));
        brush.disc([0.3 * wide, 0.6 * height], 0.6 * wide, 0.38 * height, leaves);
      };
    }
    case 'house': {
      const half = between(random, 3, 6);
      const height = between(random, 3, 9);
      const wall = hsv(between(random, 0, 0.17), between(random, 0.05, 0.45), between(random, 0.4, 0.9));
      const roof = hsv(between(random, 0, 0.08), between(random, 0.1, 0.6), between(random, 0.2, 0.5));
      const flat = random.uniform() < 0.4;
      return (brush) => {
        brush.box(-half, 0, half, height, wall);
        if (!flat)
          brush.shape(
            [
              [-half - 0.3, height],
              [half + 0.3, height],
              [0, height + 0.7 * half],
            ],
            roof,
          );
        for (let y = 1; y + 1.3 < height; y += 2.6)
          for (let x = -half + 0.8; x + 1 < half; x += 2.1)
            brush.box(x, y, x + 0.9, y + 1.2, [0.15, 0.18, 0.24]);
      };
    }
    case 'sign': {
      const height = between(random, 1.9, 2.6);
      const face = pick<Colour>(random, [
        [0.8, 0.1, 0.1],
        [0.1, 0.25, 0.7],
        [0.95, 0.8, 0.1],
        [0.9, 0.9, 0.9],
        [0.1, 0.45, 0.25],
      ]);
      const form = random.below(3);
      return (brush) => {
        brush.limb([0, 0], [0, height], 0.09, STEEL);
        if (form === 0) brush.disc([0, height], 0.35, 0.35, face);
        else if (form === 1)
          brush.shape(
            [
              [-0.42, height - 0.3],
              [0.42, height - 0.3],
              [0, height + 0.42],
            ],
            face,
          );
        else brush.box(-0.45, height - 0.35, 0.45, height + 0.35, face);
        if (form !== 2) brush.disc([0, height - 0.03], 0.2, 0.2, [0.92, 0.92, 0.92]);
      };
    }
    case 'post': {
      const height = between(random, 0.8, 1.3);
      const orange = random.uniform() < 0.2;
      return (brush) => {
        brush.limb([0, 0.05], [0, height], 0.14, orange ? [0.9, 0.4, 0.1] : [0.9, 0.9, 0.88]);
        brush.limb(
          [0, 0.75 * height],
          [0, 0.82 * height],
          0.15,
          orange ? [0.95, 0.95, 0.95] : [0.1, 0.1, 0.1],
        );
      };
    }
    case 'trunk': {
      const thick = between(random, 0.2, 0.45);
      return (brush) => brush.limb([0, 0], [0, 9], thick, BARK);
    }
  }
}
