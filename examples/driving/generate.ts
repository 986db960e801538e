import { Random } from '../../src/base/index.ts';
import { type Dataset, inMemory } from '../../src/data/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { paintBackdrop } from './backdrop.ts';
import { Brush } from './brush.ts';
import { expose } from './camera.ts';
import { Canvas, HEIGHT, WIDTH } from './canvas.ts';
import { drawObstacle, type Shape } from './obstacles.ts';
import { drawCover, drawRoadside, type Thing } from './roadside.ts';
import { between, drawScene, OBSTACLES, type Scene, seenAt, steeringAngle } from './scene.ts';

/** Numbers per picture: three colours. */
const SIZE = 3 * HEIGHT * WIDTH;

/** One picture and what it shows. */
export interface Picture {
  /** [3, HEIGHT, WIDTH], 0 to 255. */
  readonly image: Uint8Array;
  /** Degrees, to the right positive. */
  readonly steering: number;
  /** Index into OBSTACLES. */
  readonly obstacle: number;
}

/**
 * Picture `number` of a seed, always the same, whatever was made before it. The classes come in turns of six, in random
 * order within each turn.
 */
export function makePicture(seed: number, number: number): Picture {
  const turn = Math.floor(number / OBSTACLES.length);
  const order = new Random(hashed(seed, turn, 1)).shuffle(Uint8Array.from(OBSTACLES, (_, i) => i));
  const obstacle = order[number % OBSTACLES.length]!;
  const random = new Random(hashed(seed, number, 0));
  const scene = drawScene(random);
  const canvas = new Canvas();
  paintBackdrop(canvas, scene);
  const things: Thing[] = drawRoadside(scene, random);
  const kind = OBSTACLES[obstacle]!;
  if (kind !== 'none') {
    const shape = drawObstacle(kind, random);
    const { ahead, sideways } = place(shape, scene, random);
    things.push({ ahead, sideways, paint: (brush) => shape.paint(brush) });
    if (random.uniform() < 0.2) {
      // From one side it hides up to half of the obstacle, never all.
      const side = random.uniform() < 0.5 ? -1 : 1;
      const edge = sideways - side * shape.width * between(random, 0, 0.4);
      things.push(drawCover(0.85 * ahead, edge, side, scene, random));
    }
  } else if (random.uniform() < 0.35) {
    const edge = between(random, scene.left - 1, scene.right + 1);
    things.push(drawCover(between(random, 5, 20), edge, 1, scene, random));
  }
  things.sort((a, b) => b.ahead - a.ahead);
  for (const { ahead, sideways, paint } of things) {
    paint(new Brush(canvas, scene, ahead, sideways, random.uniform() < 0.5));
  }
  return { image: expose(canvas, scene, random), steering: steeringAngle(scene.road), obstacle };
}

/** On the road or at its edge, 6 to 26 pixels high, at least half of it within the picture. */
export function place(shape: Shape, scene: Scene, random: Random): { ahead: number; sideways: number } {
  for (let attempt = 0; ; attempt++) {
    const pixels = 6 * (26 / 6) ** random.uniform();
    const farthest = Math.min(45, 1.1 * scene.visibility);
    const ahead = Math.max(4.2, Math.min(farthest, (scene.camera.focal * shape.height) / pixels));
    const sideways =
      random.uniform() < 0.5
        ? between(random, -1.2, 1.2)
        : between(random, scene.left - 0.5, scene.right + 0.5);
    const { column } = seenAt(scene, ahead, sideways);
    if ((column > 1 && column < WIDTH - 2) || attempt === 40) return { ahead, sideways };
  }
}

/**
 * `samples` pictures: image uint8 [3, 48, 96], steering float32 [1] in degrees; labels: the obstacle. As models take them
 * the picture is a float: see `task.ts`.
 */
export function pictures(name: string, seed: number, samples: number): Dataset {
  const image = new Uint8Array(samples * SIZE);
  const steering = new Float32Array(samples);
  const obstacles = new Int32Array(samples);
  for (let i = 0; i < samples; i++) {
    const picture = makePicture(seed, i);
    image.set(picture.image, i * SIZE);
    steering[i] = picture.steering;
    obstacles[i] = picture.obstacle;
  }
  const fields = {
    image: Tensor.of('uint8', [samples, 3, HEIGHT, WIDTH], image),
    steering: Tensor.float32([samples, 1], steering),
  };
  return inMemory(fields, Tensor.of('int32', [samples], obstacles), { name, classes: OBSTACLES });
}

/** The finaliser of MurmurHash3 sets neighbouring numbers far apart. */
function hashed(seed: number, number: number, stream: number): number {
  let hash = (number * 2 + stream) ^ Math.imul(seed + 1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
