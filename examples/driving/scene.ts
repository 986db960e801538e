import type { Random } from '../../src/base/index.ts';
import { type Colour, HEIGHT, hsv, mixed, WIDTH } from './canvas.ts';

/** The classes of obstacles: the numbers of the labels. */
export const OBSTACLES = ['none', 'car', 'truck', 'pedestrian', 'cyclist', 'cone'] as const;
export type Obstacle = (typeof OBSTACLES)[number];

/** Distance ahead at which the control law aims, metres. */
export const LOOK_AHEAD = 12;
/** Between the axles, metres. */
export const WHEELBASE = 2.7;

/** Where the road goes as seen from the car. Distances in metres, to the right positive. */
export interface Road {
  /** Of the road's centre line where the car is, 1/m; positive: it turns right. */
  readonly curvature: number;
  /** Change of the curvature along the road, 1/m2. */
  readonly curvatureRate: number;
  /** Of the car from the middle of its lane. */
  readonly offset: number;
  /** Of the car against the road, radians; positive: it points right. */
  readonly heading: number;
  /** Curvature of the road's profile, 1/m; positive: it rises ahead. */
  readonly rise: number;
}

/** A painted line. */
export interface Line {
  /** From the middle of the lane. */
  readonly at: number;
  readonly width: number;
  /** Length of a dash and of dash and gap; undefined: solid. */
  readonly dash?: readonly [number, number];
  readonly colour: Colour;
  /** How much of the paint is left, 0 to 1. */
  readonly paint: number;
}

export type Weather = 'sun' | 'overcast' | 'dusk' | 'night' | 'fog' | 'rain' | 'snow';

/** All that a picture shows, before it is drawn. */
export interface Scene {
  readonly road: Road;
  /** Pixels per metre at a metre's distance; row of the horizon; column of straight ahead; height over the road, metres. */
  readonly camera: {
    readonly focal: number;
    readonly horizon: number;
    readonly middle: number;
    readonly height: number;
  };
  /** Edges of the asphalt, from the middle of the lane. */
  readonly left: number;
  readonly right: number;
  readonly lines: readonly Line[];
  readonly asphalt: Colour;
  readonly verge: Colour;
  readonly grain: number;
  readonly weather: Weather;
  /** Colour and strength of the daylight; how far one sees, metres; what is seen beyond. */
  readonly daylight: Colour;
  readonly visibility: number;
  readonly haze: Colour;
  readonly zenith: Colour;
  readonly headlights: boolean;
  /** Darkness of shadows on the road, 0 for none. */
  readonly shadows: number;
  /** Moves noise textures and dashes. */
  readonly phase: number;
}

/** Sideways place of the middle of the lane, `ahead` metres ahead of the car. */
export function laneAt({ curvature, curvatureRate, offset, heading }: Road, ahead: number): number {
  return -offset - heading * ahead + (curvature * ahead ** 2) / 2 + (curvatureRate * ahead ** 3) / 6;
}

/** Slope of `laneAt`. */
export function laneSlope({ curvature, curvatureRate, heading }: Road, ahead: number): number {
  return -heading + curvature * ahead + (curvatureRate * ahead ** 2) / 2;
}

/**
 * The label: the angle of the front wheels in degrees, to the right positive, by pure pursuit (Coulter 1992): the circle from
 * the rear axle, along its heading, through the middle of the lane 12 m ahead. Offset, heading and curvature all count.
 */
export function steeringAngle(road: Road): number {
  const x = laneAt(road, LOOK_AHEAD);
  const curvature = (2 * x) / (LOOK_AHEAD ** 2 + x ** 2);
  return (Math.atan(WHEELBASE * curvature) * 180) / Math.PI;
}

/** Distance of the ground that row `row` shows, metres; infinite above the ground. */
export function distanceAt({ road, camera }: Scene, row: number): number {
  const slope = (row - camera.horizon) / camera.focal;
  const { rise } = road;
  // height - rise z^2 / 2 = slope z, the nearer solution.
  if (Math.abs(rise) < 1e-7) return slope > 0 ? camera.height / slope : Number.POSITIVE_INFINITY;
  const under = slope * slope + 2 * rise * camera.height;
  if (under < 0 || (rise < 0 && slope <= 0)) return Number.POSITIVE_INFINITY;
  return (Math.sqrt(under) - slope) / rise;
}

/** Where a point of the ground is seen, and how many pixels a metre has there. */
export function seenAt(
  { road, camera }: Scene,
  ahead: number,
  sideways: number,
): { column: number; row: number; scale: number } {
  const scale = camera.focal / ahead;
  return {
    column: camera.middle + (laneAt(road, ahead) + sideways) * scale,
    row: camera.horizon + (camera.height - (road.rise * ahead ** 2) / 2) * scale,
    scale,
  };
}

/** A scene as chance has it. */
export function drawScene(random: Random): Scene {
  const road = drawRoad(random);
  const weather = pick<Weather>(random, [
    'sun',
    'sun',
    'sun',
    'overcast',
    'overcast',
    'dusk',
    'night',
    'fog',
    'rain',
    'snow',
  ]);
  const lane = between(random, 2.9, 3.8);
  const leftLanes = random.below(3);
  const rightLanes = random.below(leftLanes === 2 ? 2 : 3);
  const shoulder = () => (random.uniform() < 0.5 ? between(random, 0.15, 0.6) : between(random, 0.6, 2.2));
  const left = -(leftLanes + 0.5) * lane;
  const right = (rightLanes + 0.5) * lane;
  const grey = weather === 'snow' ? between(random, 0.35, 0.6) : between(random, 0.16, 0.55);
  const asphalt = mixed(
    [grey, grey, grey],
    pick(random, [
      [0.5, 0.42, 0.34],
      [0.36, 0.4, 0.5],
    ]),
    0.25 * random.uniform(),
  );
  return {
    road,
    camera: {
      focal: between(random, 74, 86),
      horizon: HEIGHT * between(random, 0.32, 0.44),
      middle: (WIDTH - 1) / 2,
      height: between(random, 1.15, 1.5),
    },
    left: left - shoulder(),
    right: right + shoulder(),
    lines: drawLines(random, lane, leftLanes, rightLanes),
    asphalt,
    verge: drawVerge(random, weather),
    grain: between(random, 0.05, 0.22),
    weather,
    ...drawLight(random, weather),
    phase: 1000 * random.uniform(),
  };
}

function drawRoad(random: Random): Road {
  const straight = random.uniform() < 0.3;
  const limited = (scale: number, most: number) => Math.max(-most, Math.min(most, scale * random.normal()));
  return {
    curvature: straight ? limited(0.001, 0.002) : between(random, -0.025, 0.025),
    curvatureRate: straight ? 0 : limited(0.0002, 0.0005),
    offset: limited(0.5, 1.1),
    heading: limited(0.05, 0.12),
    rise: limited(0.0003, 0.0006),
  };
}

const WHITE: Colour = [0.92, 0.92, 0.9];
const YELLOW: Colour = [0.92, 0.74, 0.22];

function drawLines(random: Random, lane: number, leftLanes: number, rightLanes: number): Line[] {
  const paint = random.uniform() < 0.25 ? between(random, 0.25, 0.6) : between(random, 0.6, 1);
  const width = between(random, 0.1, 0.2);
  const dash = pick(random, [
    [3, 9],
    [4, 12],
    [6, 12],
    [2, 4],
  ] as const);
  const centre = random.uniform() < 0.3 ? YELLOW : WHITE;
  const lines: Line[] = [];
  for (let edge = -leftLanes; edge <= rightLanes + 1; edge++) {
    const at = (edge - 0.5) * lane;
    const outer = edge === -leftLanes || edge === rightLanes + 1;
    // Country roads leave out lines at the edges.
    if (outer && random.uniform() < 0.2) continue;
    const solid = outer || random.uniform() < 0.2;
    const colour = edge === 0 && !outer ? centre : WHITE;
    lines.push({ at, width, dash: solid ? undefined : dash, colour, paint });
    if (solid && !outer && random.uniform() < 0.5) lines.push({ at: at + 0.3, width, colour, paint });
  }
  return lines;
}

function drawVerge(random: Random, weather: Weather): Colour {
  if (weather === 'snow') return [0.85, 0.88, 0.93];
  switch (random.below(4)) {
    case 0: // sand and dry grass
      return hsv(between(random, 0.1, 0.15), between(random, 0.25, 0.5), between(random, 0.5, 0.75));
    case 1: // pavement
      return hsv(0.1, 0.08, between(random, 0.35, 0.65));
    default: // grass
      return hsv(between(random, 0.2, 0.33), between(random, 0.3, 0.65), between(random, 0.25, 0.55));
  }
}

function drawLight(random: Random, weather: Weather) {
  const far = between(random, 150, 500);
  switch (weather) {
    case 'sun':
      return light(
        [1.05, 1, 0.92],
        between(random, 0.85, 1.15),
        far,
        [0.78, 0.86, 0.95],
        [0.3, 0.5, 0.85],
        between(random, 0.35, 0.65),
      );
    case 'overcast':
      return light([1, 1, 1.02], between(random, 0.6, 0.95), far, [0.78, 0.8, 0.83], [0.62, 0.66, 0.72], 0);
    case 'dusk':
      return light(
        [1.1, 0.85, 0.7],
        between(random, 0.35, 0.6),
        far,
        [0.85, 0.55, 0.38],
        [0.22, 0.25, 0.45],
        0,
        true,
      );
    case 'night':
      return light(
        [0.7, 0.8, 1],
        between(random, 0.06, 0.14),
        far,
        [0.05, 0.06, 0.1],
        [0.01, 0.015, 0.04],
        0,
        true,
      );
    case 'fog':
      return light(
        [1, 1, 1],
        between(random, 0.65, 0.9),
        between(random, 18, 50),
        [0.72, 0.74, 0.76],
        [0.7, 0.72, 0.75],
        0,
      );
    case 'rain':
      return light(
        [0.95, 1, 1.05],
        between(random, 0.45, 0.7),
        between(random, 50, 120),
        [0.55, 0.58, 0.62],
        [0.42, 0.46, 0.52],
        0,
      );
    case 'snow':
      return light(
        [1, 1, 1.05],
        between(random, 0.7, 0.95),
        between(random, 40, 120),
        [0.82, 0.84, 0.88],
        [0.72, 0.75, 0.8],
        0,
      );
  }
}

function light(
  tint: Colour,
  strength: number,
  visibility: number,
  haze: Colour,
  zenith: Colour,
  shadows: number,
  headlights = false,
) {
  const daylight: Colour = [tint[0] * strength, tint[1] * strength, tint[2] * strength];
  return { daylight, visibility, haze, zenith, shadows, headlights };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}
