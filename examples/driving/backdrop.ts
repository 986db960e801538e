import { Random } from '../../src/base/index.ts';
import { type Canvas, type Colour, HEIGHT, mixed, scaled, WIDTH } from './canvas.ts';
import { distanceAt, type Line, laneAt, laneSlope, type Scene } from './scene.ts';

const CELLS = 128;
/** Random heights from -1 to 1 on a grid that repeats itself. */
const GRID = (() => {
  const random = new Random(77);
  return Float32Array.from({ length: CELLS * CELLS }, () => 2 * random.uniform() - 1);
})();

/** Smooth noise from -1 to 1 with bumps about one unit wide. */
export function noise(x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - left, y - top];
  const at = (column: number, row: number) => GRID[(row & (CELLS - 1)) * CELLS + (column & (CELLS - 1))]!;
  const upper = at(left, top) + fx * (at(left + 1, top) - at(left, top));
  const lower = at(left, top + 1) + fx * (at(left + 1, top + 1) - at(left, top + 1));
  return upper + fy * (lower - upper);
}

/** What reaches the camera of a surface at a place: daylight, headlights, then the haze between. */
export function lit(scene: Scene, colour: Colour, ahead: number, sideways: number): Colour {
  const { daylight, visibility, haze, headlights } = scene;
  // A cone of light that widens and fades.
  const beam = headlights ? 0.85 * Math.exp(-ahead / 22 - (sideways / (1.6 + 0.28 * ahead)) ** 2) : 0;
  const shown: Colour = [
    colour[0] * (daylight[0] + beam),
    colour[1] * (daylight[1] + 0.95 * beam),
    colour[2] * (daylight[2] + 0.85 * beam),
  ];
  return mixed(haze, shown, Math.exp(-ahead / visibility));
}

/** Sky, far hills, verge, road and its markings; the objects come after. */
export function paintBackdrop(canvas: Canvas, scene: Scene): void {
  for (let row = 0; row < HEIGHT; row++) {
    const ahead = distanceAt(scene, row);
    if (ahead < 400) paintGround(canvas, scene, row, ahead);
    else paintSky(canvas, scene, row);
  }
}

function paintSky(canvas: Canvas, scene: Scene, row: number): void {
  const { horizon } = scene.camera;
  const up = Math.max(0, Math.min(1, (horizon - row) / horizon));
  const plain = mixed(scene.haze, scene.zenith, up ** 0.7);
  const hill = lit(scene, scaled(scene.verge, 0.55), 120, 0);
  for (let column = 0; column < WIDTH; column++) {
    const x = column + scene.phase;
    const height = 2.2 + 2.4 * noise(x * 0.045, 3) + 1.1 * noise(x * 0.21, 9) + 0.7 * noise(x * 0.9, 5);
    const cover = Math.max(0, Math.min(1, height - (horizon - row) + 0.5));
    const cloud = 0.14 * Math.max(0, noise(x * 0.06, row * 0.2 + scene.phase)) * up;
    const sky: Colour = [plain[0] + cloud, plain[1] + cloud, plain[2] + cloud];
    canvas.set(column, row, mixed(sky, hill, cover));
  }
}

function paintGround(canvas: Canvas, scene: Scene, row: number, ahead: number): void {
  const { road, camera, asphalt, verge, grain, phase } = scene;
  const middle = laneAt(road, ahead);
  const slope = laneSlope(road, ahead);
  // Metres that the pixel's height and width cover.
  const deep = Math.max(0.02, distanceAt(scene, row - 0.5) - distanceAt(scene, row + 0.5));
  const depth = Number.isFinite(deep) ? Math.min(deep, 200) : 200;
  const wide = ahead / camera.focal;
  const along = ahead + phase;
  // Texture finer than a pixel averages out.
  const fine = grain / (1 + 6 * wide + 0.5 * depth);
  const coarse = grain / (1 + 1.5 * wide + 0.12 * depth);
  const shares = scene.lines.map((line) => dashShare(line, along, depth));
  for (let column = 0; column < WIDTH; column++) {
    const x = (column - camera.middle) * wide;
    const d = x - middle;
    // A slanted edge passes some pixels within one row.
    const reach = wide + Math.abs(slope - x / ahead) * depth;
    const onRoad = covered(d, reach, scene.left, scene.right);
    let bumps = coarse * noise(d * 0.8, along * 0.3);
    if (fine > 0.01) bumps += fine * noise(d * 9, along * 5);
    let colour = mixed(verge, asphalt, onRoad);
    let bright = 1 + bumps * (1.7 - onRoad);
    if (onRoad > 0.5) bright -= 0.07 * Math.exp(-(((Math.abs(d) - 0.8) / 0.3) ** 2));
    // Repaired patches, darker than the rest.
    if (onRoad > 0.5 && noise(d * 0.35 + 40, along * 0.09) > 0.62) bright *= 0.78;
    for (const [i, line] of scene.lines.entries()) {
      const half = line.width / 2;
      const share = shares[i]! * covered(d, reach, line.at - half, line.at + half) * line.paint;
      if (share > 0.004) colour = mixed(colour, line.colour, share * (0.85 + 0.5 * noise(d * 3, along * 2)));
    }
    // Leaves let spots of sun through.
    if (scene.shadows > 0) {
      const leaf = noise(d * 0.16 + 7, along * 0.11) - 0.25 - 0.25 * noise(d * 1.1, along * 0.8);
      bright *= 1 - scene.shadows * Math.max(0, Math.min(1, 0.5 + 8 * leaf));
    }
    canvas.set(column, row, lit(scene, scaled(colour, bright), ahead, x));
  }
}

/** Share of [d - reach / 2, d + reach / 2] that lies within [low, high]. */
function covered(d: number, reach: number, low: number, high: number): number {
  return Math.max(0, Math.min(d + reach / 2, high) - Math.max(d - reach / 2, low)) / reach;
}

/** Share of the `depth` metres around `along` that the dashes cover. */
function dashShare({ dash }: Line, along: number, depth: number): number {
  if (dash === undefined) return 1;
  const [on, period] = dash;
  const painted = (s: number) =>
    Math.floor(s / period) * on + Math.min(on, s - Math.floor(s / period) * period);
  return (painted(along + depth / 2) - painted(along - depth / 2)) / depth;
}
