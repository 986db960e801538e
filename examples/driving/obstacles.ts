import type { Random } from '../../src/base/index.ts';
import type { Brush } from './brush.ts';
import { type Colour, hsv, mixed, scaled } from './canvas.ts';
import { between, type Obstacle, pick } from './scene.ts';

/** One obstacle as chance made it, ready to be painted. */
export interface Shape {
  /** Metres. */
  readonly height: number;
  readonly width: number;
  paint(brush: Brush): void;
}

const DARK: Colour = [0.05, 0.05, 0.06];
const GLASS: Colour = [0.14, 0.18, 0.22];

/** Draws the looks of an obstacle. */
export function drawObstacle(kind: Exclude<Obstacle, 'none'>, random: Random): Shape {
  switch (kind) {
    case 'car':
      return random.uniform() < 0.75 ? carAlong(random) : carAcross(random);
    case 'truck':
      return truck(random);
    case 'pedestrian':
      return pedestrian(random);
    case 'cyclist':
      return random.uniform() < 0.5 ? cyclistAlong(random) : cyclistAcross(random);
    case 'cone':
      return cone(random);
  }
}

/** Half of all cars are white, grey or black. */
function lacquer(random: Random): Colour {
  return random.uniform() < 0.5
    ? hsv(0.6, 0.04, pick(random, [0.08, 0.2, 0.45, 0.7, 0.92]))
    : hsv(random.uniform(), between(random, 0.5, 0.9), between(random, 0.25, 0.8));
}

function cloth(random: Random): Colour {
  return hsv(random.uniform(), between(random, 0.1, 0.8), between(random, 0.08, 0.85));
}

function skin(random: Random): Colour {
  return mixed([0.9, 0.72, 0.6], [0.3, 0.19, 0.13], random.uniform());
}

/** From behind or from ahead. */
function carAlong(random: Random): Shape {
  const half = between(random, 0.82, 0.95);
  const waist = between(random, 0.85, 1.0);
  const height = between(random, 1.38, 1.75);
  const colour = lacquer(random);
  const oncoming = random.uniform() < 0.4;
  return {
    height,
    width: 2 * half,
    paint(brush) {
      brush.shadow(half);
      brush.box(-half + 0.05, 0, -half + 0.28, 0.4, DARK);
      brush.box(half - 0.28, 0, half - 0.05, 0.4, DARK);
      const roof = 0.72 * half;
      brush.shape(
        [
          [-half + 0.06, waist],
          [half - 0.06, waist],
          [roof, height],
          [-roof, height],
        ],
        scaled(colour, 0.9),
      );
      brush.shape(
        [
          [-half + 0.18, waist],
          [half - 0.18, waist],
          [roof - 0.06, height - 0.12],
          [-roof + 0.06, height - 0.12],
        ],
        GLASS,
      );
      brush.box(-half, 0.25, half, waist, colour);
      brush.box(-half, 0.22, half, 0.42, scaled(colour, 0.55));
      brush.box(-0.26, 0.45, 0.26, 0.57, [0.85, 0.85, 0.8]);
      const lamps: Colour = oncoming ? [1.3, 1.25, 1.1] : [0.8, 0.06, 0.05];
      for (const side of [-1, 1]) brush.lamp([side * (half - 0.18), 0.72], 0.13, lamps);
    },
  };
}

/** Crossing or parked across. */
function carAcross(random: Random): Shape {
  const half = between(random, 1.9, 2.3);
  const height = between(random, 1.4, 1.6);
  const colour = lacquer(random);
  return {
    height,
    width: 2 * half,
    paint(brush) {
      brush.shadow(half);
      const waist = 0.62 * height;
      brush.shape(
        [
          [-0.72 * half, waist],
          [0.5 * half, waist],
          [0.2 * half, height],
          [-0.5 * half, height],
        ],
        colour,
      );
      brush.shape(
        [
          [-0.62 * half, waist],
          [0.4 * half, waist],
          [0.16 * half, height - 0.1],
          [-0.45 * half, height - 0.1],
        ],
        GLASS,
      );
      brush.box(-0.12, waist, -0.04, height, colour);
      brush.shape(
        [
          [-half, 0.25],
          [half, 0.25],
          [half, 0.5 * height],
          [0.5 * half, waist],
          [-half, waist],
        ],
        colour,
      );
      for (const side of [-0.62, 0.62]) {
        brush.disc([side * half, 0.32], 0.33, 0.33, DARK);
        brush.disc([side * half, 0.32], 0.17, 0.17, [0.6, 0.6, 0.62]);
      }
    },
  };
}

function truck(random: Random): Shape {
  const half = between(random, 1.1, 1.28);
  const height = between(random, 2.7, 3.7);
  const colour = random.uniform() < 0.5 ? hsv(0.1, 0.03, between(random, 0.6, 0.92)) : lacquer(random);
  const oncoming = random.uniform() < 0.3;
  return {
    height,
    width: 2 * half,
    paint(brush) {
      brush.shadow(half);
      brush.box(-half + 0.05, 0, -half + 0.4, 0.6, DARK);
      brush.box(half - 0.4, 0, half - 0.05, 0.6, DARK);
      brush.box(-half, 0.5, half, height, colour);
      brush.box(-half, 0.5, half, 0.75, [0.12, 0.12, 0.13]);
      if (oncoming) {
        brush.box(-half + 0.12, 1.5, half - 0.12, 2.35, GLASS);
        brush.box(-0.6, 0.85, 0.6, 1.3, scaled(colour, 0.5));
      } else {
        brush.box(-0.03, 0.75, 0.03, height - 0.1, scaled(colour, 0.6));
        brush.box(-half, height - 0.1, half, height, scaled(colour, 0.75));
        brush.box(-half + 0.2, 0.9, half - 0.2, 0.98, scaled(colour, 0.7));
      }
      const lamps: Colour = oncoming ? [1.3, 1.25, 1.1] : [0.8, 0.06, 0.05];
      for (const side of [-1, 1]) brush.lamp([side * (half - 0.2), oncoming ? 0.9 : 0.65], 0.12, lamps);
    },
  };
}

function pedestrian(random: Random): Shape {
  const height = random.uniform() < 0.15 ? between(random, 1.05, 1.35) : between(random, 1.55, 1.92);
  const [legs, coat, face] = [cloth(random), cloth(random), skin(random)];
  const hair = random.uniform() < 0.3 ? face : hsv(0.08, 0.5, between(random, 0.05, 0.6));
  const stride = between(random, 0, 0.32);
  const swing = between(random, 0.05, 0.25);
  const across = random.uniform() < 0.5 ? 0.75 : 1;
  const bag = random.uniform() < 0.3 ? cloth(random) : undefined;
  return {
    height,
    width: 0.6,
    paint(brush) {
      const h = height / 1.75;
      const at = (x: number, y: number) => [x * h, y * h] as const;
      brush.shadow(0.3);
      brush.limb(at(-stride - 0.06, 0.05), at(-0.07, 0.85), 0.17 * h, legs);
      brush.limb(at(stride + 0.06, 0.05), at(0.07, 0.85), 0.17 * h, scaled(legs, 0.8));
      brush.limb(
        at(-0.24 * across - swing * 0.5, 0.85),
        at(-0.2 * across, 1.38),
        0.12 * h,
        scaled(coat, 0.75),
      );
      brush.limb(at(0.24 * across + swing, 0.85), at(0.2 * across, 1.38), 0.12 * h, scaled(coat, 0.85));
      brush.limb(at(0, 0.85), at(0, 1.28), 0.4 * h * across, coat);
      if (bag) brush.box(-0.14 * h, 0.95 * h, 0.14 * h, 1.35 * h, bag);
      brush.disc(at(0, 1.62), 0.12 * h, 0.15 * h, face);
      brush.disc(at(0, 1.69), 0.12 * h, 0.08 * h, hair);
    },
  };
}

function cyclistAlong(random: Random): Shape {
  const [legs, coat, face] = [cloth(random), cloth(random), skin(random)];
  const helmet = lacquer(random);
  const lean = between(random, -0.08, 0.08);
  const pedal = between(random, -0.15, 0.15);
  return {
    height: 1.75,
    width: 0.65,
    paint(brush) {
      brush.shadow(0.25);
      brush.limb([0, 0.04], [lean * 0.4, 0.7], 0.07, DARK);
      brush.limb([-0.12, 0.3 + pedal], [-0.13 + lean, 0.85], 0.14, legs);
      brush.limb([0.12, 0.3 - pedal], [0.13 + lean, 0.85], 0.14, legs);
      brush.limb([-0.3 + lean, 1.02], [0.3 + lean, 1.02], 0.05, DARK);
      brush.limb([-0.3 + lean, 1.04], [-0.19 + lean, 1.36], 0.1, scaled(coat, 0.8));
      brush.limb([0.3 + lean, 1.04], [0.19 + lean, 1.36], 0.1, scaled(coat, 0.8));
      brush.limb([lean, 0.95], [lean, 1.26], 0.38, coat);
      brush.disc([1.2 * lean, 1.57], 0.11, 0.14, face);
      brush.disc([1.2 * lean, 1.64], 0.13, 0.1, helmet);
      brush.lamp([lean * 0.5, 0.72], 0.05, [0.9, 0.1, 0.05]);
    },
  };
}

function cyclistAcross(random: Random): Shape {
  const [legs, coat, face, frame] = [cloth(random), cloth(random), skin(random), lacquer(random)];
  const helmet = lacquer(random);
  const pedal = between(random, 0, 2 * Math.PI);
  return {
    height: 1.7,
    width: 1.75,
    paint(brush) {
      brush.shadow(0.7);
      for (const x of [-0.52, 0.52]) brush.wheel([x, 0.34], 0.32, 0.06, DARK);
      brush.limb([-0.52, 0.34], [-0.12, 0.8], 0.05, frame);
      brush.limb([-0.52, 0.34], [0, 0.3], 0.05, frame);
      brush.limb([0, 0.3], [-0.18, 0.9], 0.05, frame);
      brush.limb([0, 0.3], [0.4, 0.8], 0.05, frame);
      brush.limb([-0.12, 0.8], [0.4, 0.8], 0.05, frame);
      brush.limb([0.52, 0.34], [0.36, 1.0], 0.05, frame);
      for (const [side, shade] of [
        [Math.PI, 0.7],
        [0, 1],
      ] as const) {
        const foot = [0.17 * Math.cos(pedal + side), 0.3 + 0.17 * Math.sin(pedal + side)] as const;
        const knee = [0.16 + foot[0] * 0.3, 0.72 + (foot[1] - 0.3) * 0.5] as const;
        brush.limb(foot, knee, 0.12, scaled(legs, shade));
        brush.limb(knee, [-0.17, 0.95], 0.15, scaled(legs, shade));
      }
      brush.limb([-0.15, 1.0], [0.12, 1.4], 0.28, coat);
      brush.limb([0.12, 1.36], [0.38, 1.03], 0.09, scaled(coat, 0.8));
      brush.disc([0.24, 1.56], 0.11, 0.13, face);
      brush.disc([0.22, 1.63], 0.14, 0.09, helmet);
    },
  };
}

function cone(random: Random): Shape {
  const height = between(random, 0.5, 1.0);
  const orange: Colour = hsv(between(random, 0.02, 0.07), 0.92, between(random, 0.8, 1));
  const bands = 1 + random.below(2);
  return {
    height,
    width: 0.55 * height,
    paint(brush) {
      const half = 0.24 * height;
      brush.shadow(half);
      brush.box(-1.25 * half, 0, 1.25 * half, 0.06 * height, bands === 1 ? DARK : orange);
      const side = (y: number) => half * (1 - 0.85 * y);
      const slice = (low: number, high: number, colour: Colour) =>
        brush.shape(
          [
            [-side(low), low * height],
            [side(low), low * height],
            [side(high), high * height],
            [-side(high), high * height],
          ],
          colour,
        );
      slice(0.05, 1, orange);
      slice(0.48, 0.7, [0.95, 0.95, 0.93]);
      if (bands === 2) slice(0.22, 0.36, [0.95, 0.95, 0.93]);
    },
  };
}
