import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lit, paintBackdrop } from '../../examples/driving/backdrop.ts';
import { Brush } from '../../examples/driving/brush.ts';
import { Canvas, type Colour, HEIGHT, WIDTH } from '../../examples/driving/canvas.ts';
import { makePicture, type Picture, pictures, place } from '../../examples/driving/generate.ts';
import { drawObstacle } from '../../examples/driving/obstacles.ts';
import {
  distanceAt,
  drawScene,
  laneAt,
  laneSlope,
  OBSTACLES,
  type Road,
  seenAt,
  steeringAngle,
} from '../../examples/driving/scene.ts';
import { Random } from '../../src/base/index.ts';

const STRAIGHT: Road = { curvature: 0, curvatureRate: 0, offset: 0, heading: 0, rise: 0 };

test('driving: a picture depends on its seed and number alone', async () => {
  const first = makePicture(5, 17);
  const set = pictures('some', 5, 18);
  for await (const { feeds, labels } of set.read({ indices: [17] })) {
    assert.deepEqual(feeds.image!.as('uint8'), first.image);
    assert.deepEqual(feeds.steering!.numbers(), [Math.fround(first.steering)]);
    assert.deepEqual(labels!.numbers(), [first.obstacle]);
  }
  assert.notDeepEqual(makePicture(6, 17).image, first.image);
  assert.notDeepEqual(makePicture(5, 18).image, first.image);
});

test('driving: every class comes as often, angles lean to no side, pictures use the range', () => {
  const made = Array.from({ length: 300 }, (_, i) => makePicture(8, i));
  for (let label = 0; label < OBSTACLES.length; label++) {
    assert.equal(made.filter(({ obstacle }) => obstacle === label).length, 50);
  }
  const random = new Random(3);
  const angles = Array.from({ length: 4000 }, () => steeringAngle(drawScene(random).road));
  const mean = angles.reduce((sum, angle) => sum + angle, 0) / angles.length;
  const spread = Math.sqrt(angles.reduce((sum, angle) => sum + (angle - mean) ** 2, 0) / angles.length);
  assert.ok(Math.abs(mean) < 0.15 && spread > 2 && spread < 3, `${mean} +- ${spread} degrees`);
  for (const { image } of made) {
    const sum = image.reduce((total, value) => total + value, 0) / image.length;
    assert.ok(sum > 5 && sum < 235, `mean ${sum}`);
    assert.ok(new Set(image).size > 20);
  }
});

test('driving: the control law by hand', () => {
  const degrees = (radians: number) => (radians * 180) / Math.PI;
  const near = (road: Partial<Road>, wanted: number) =>
    assert.ok(Math.abs(steeringAngle({ ...STRAIGHT, ...road }) - wanted) < 1e-9, JSON.stringify(road));
  near({}, 0);
  // A metre right of the middle: the circle to a point 12 m ahead and 1 m left.
  near({ offset: 1 }, degrees(Math.atan((2.7 * -2) / 145)));
  near({ curvature: 0.01 }, degrees(Math.atan((2.7 * 2 * 0.72) / (144 + 0.72 ** 2))));
  near({ heading: 0.05 }, degrees(Math.atan((2.7 * 2 * -0.6) / (144 + 0.36))));
  // A turn to the right is steered to the right, whatever the sign of the others.
  assert.ok(steeringAngle({ ...STRAIGHT, curvature: 0.02, offset: 0.3 }) > 0);
});

test('driving: the ground is drawn where its points are seen', () => {
  const random = new Random(11);
  for (let i = 0; i < 200; i++) {
    const scene = drawScene(random);
    for (const ahead of [5, 12, 30]) {
      const { column, row, scale } = seenAt(scene, ahead, 0.5);
      const back = distanceAt(scene, row);
      assert.ok(
        Math.abs(back - ahead) < 1e-6 * ahead,
        `${ahead} m is seen at row ${row}, which shows ${back} m`,
      );
      const sideways = (column - scene.camera.middle) / scale;
      assert.ok(Math.abs(sideways - laneAt(scene.road, ahead) - 0.5) < 1e-9);
    }
    const step = 1e-4;
    const slope = (laneAt(scene.road, 20 + step) - laneAt(scene.road, 20)) / step;
    assert.ok(Math.abs(slope - laneSlope(scene.road, 20)) < 1e-4);
  }
});

test('driving: the pictures show asphalt in the lane and the verge beside the road', () => {
  const random = new Random(21);
  let [right, seen] = [0, 0];
  for (let i = 0; i < 120; i++) {
    const scene = drawScene(random);
    const apart = Math.max(...scene.asphalt.map((value, c) => Math.abs(value - scene.verge[c]!)));
    if (scene.weather === 'night' || scene.shadows > 0 || apart < 0.2) continue;
    const canvas = new Canvas();
    paintBackdrop(canvas, scene);
    for (const [d, wanted, other] of [
      [0.3, scene.asphalt, scene.verge],
      [scene.left - 1.5, scene.verge, scene.asphalt],
      [scene.right + 1.5, scene.verge, scene.asphalt],
    ] as const) {
      const { column, row } = seenAt(scene, 9, d);
      const [x, y] = [Math.round(column), Math.round(row)];
      if (x < 0 || x >= WIDTH) continue;
      const pixel = [...canvas.pixels.subarray(3 * (y * WIDTH + x), 3 * (y * WIDTH + x) + 3)];
      const far = (colour: Colour) =>
        Math.hypot(...lit(scene, colour, 9, 0).map((value, c) => value - pixel[c]!));
      seen++;
      if (far(wanted) < far(other)) right++;
    }
  }
  assert.ok(seen > 60 && right / seen > 0.9, `${right} of ${seen}`);
});

test('driving: every obstacle leaves a mark, most of them a small one', () => {
  const random = new Random(31);
  for (const kind of OBSTACLES) {
    if (kind === 'none') continue;
    const marks: number[] = [];
    for (let i = 0; i < 80; i++) {
      const scene = drawScene(random);
      const shape = drawObstacle(kind, random);
      const { ahead, sideways } = place(shape, scene, random);
      const canvas = new Canvas();
      canvas.pixels.fill(-1);
      shape.paint(new Brush(canvas, scene, ahead, sideways));
      let touched = 0;
      for (let at = 0; at < canvas.pixels.length; at += 3) if (canvas.pixels[at]! > -0.5) touched++;
      marks.push(touched);
    }
    marks.sort((a, b) => a - b);
    assert.ok(marks[4]! >= 5, `${kind}: a twentieth covers ${marks[4]} pixels or fewer`);
    assert.ok(marks[40]! < (WIDTH * HEIGHT) / 10, `${kind}: half cover ${marks[40]} pixels or more`);
  }
});

/** The picture averaged over squares of eight, and a one. */
function coarse({ image }: Picture): Float64Array {
  const [rows, columns] = [HEIGHT / 8, WIDTH / 8];
  const out = new Float64Array(3 * rows * columns + 1).fill(0);
  for (let at = 0; at < image.length; at++) {
    const [c, y, x] = [Math.floor(at / (WIDTH * HEIGHT)), Math.floor(at / WIDTH) % HEIGHT, at % WIDTH];
    out[(c * rows + (y >> 3)) * columns + (x >> 3)]! += image[at]! / 255 / 64;
  }
  out[out.length - 1] = 1;
  return out;
}

/** Weights of the least squares fit with a ridge, by Gaussian elimination: [features][targets]. */
function fit(rows: readonly Float64Array[], targets: readonly number[][], ridge: number): Float64Array[] {
  const n = rows[0]!.length;
  const system = Array.from({ length: n }, (_, i) => {
    const line = new Float64Array(n + targets[0]!.length);
    for (const [r, row] of rows.entries()) {
      const scale = row[i]!;
      for (let j = 0; j < n; j++) line[j]! += scale * row[j]!;
      for (const [t, target] of targets[r]!.entries()) line[n + t]! += scale * target;
    }
    line[i]! += ridge;
    return line;
  });
  for (let i = 0; i < n; i++) {
    for (let other = 0; other < n; other++) {
      if (other === i) continue;
      const factor = system[other]![i]! / system[i]![i]!;
      for (let j = i; j < system[i]!.length; j++) system[other]![j]! -= factor * system[i]![j]!;
    }
  }
  return system.map((line, i) => line.slice(n).map((value) => value / line[i]!));
}

test('driving: what is linear in the pixels solves neither task', { timeout: 120_000 }, () => {
  const made = Array.from({ length: 1800 }, (_, i) => makePicture(40, i));
  const targets = made.map(({ steering, obstacle }) => [
    steering,
    ...OBSTACLES.map((_, i) => +(i === obstacle)),
  ]);
  const rows = made.map(coarse);
  const weights = fit(rows.slice(0, 1400), targets.slice(0, 1400), 1);
  let [right, error, spread] = [0, 0, 0];
  for (let i = 1400; i < made.length; i++) {
    const answer = targets[0]!.map((_, t) => rows[i]!.reduce((sum, x, f) => sum + x * weights[f]![t]!, 0));
    const scores = answer.slice(1);
    if (scores.indexOf(Math.max(...scores)) === made[i]!.obstacle) right++;
    error += (answer[0]! - made[i]!.steering) ** 2;
    spread += made[i]!.steering ** 2;
  }
  const [share, explained] = [right / 400, 1 - error / spread];
  assert.ok(share < 0.4, `the linear probe names ${share} of the obstacles`);
  // It sees something: the probe works, and the picture and the angle belong together.
  assert.ok(explained > 0.05 && explained < 0.6, `the linear probe explains ${explained} of the steering`);
});
