import type { Random } from '../../src/base/index.ts';
import { type Canvas, HEIGHT, WIDTH } from './canvas.ts';
import { between, type Scene } from './scene.ts';

const PIXELS = WIDTH * HEIGHT;

/**
 * What the camera makes of the light: rain or snow on the way, blur, exposure, white balance, darker corners, noise,
 * contrast, eight bits. Gives [3, HEIGHT, WIDTH], 0 to 255.
 */
export function expose(canvas: Canvas, scene: Scene, random: Random): Uint8Array {
  const { pixels } = canvas;
  if (scene.weather === 'rain') streaks(canvas, random, 25 + random.below(40), 0.25);
  if (scene.weather === 'snow') flakes(canvas, random, 20 + random.below(70));
  if (random.uniform() < 0.5) blur(pixels, between(random, 0.05, scene.weather === 'rain' ? 0.25 : 0.18));
  // The camera exposes for what it sees, not quite right, and amplifies the noise with it.
  let mean = 0;
  for (const value of pixels) mean += value;
  mean /= pixels.length;
  const wanted = between(random, 0.34, 0.58) * (scene.weather === 'night' ? 0.5 : 1);
  const gain = Math.min(3.2, wanted / Math.max(0.02, mean));
  const balance = [gain * between(random, 0.92, 1.08), gain, gain * between(random, 0.92, 1.08)];
  const noise = between(random, 0.004, 0.018) * Math.sqrt(Math.max(1, gain)) * (scene.headlights ? 1.4 : 1);
  const curve = toneCurve(between(random, 0.8, 1.15));
  const corners = between(random, 0, 0.3);
  const out = new Uint8Array(3 * PIXELS);
  const draw = bits(random);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const far = ((x / (WIDTH - 1)) * 2 - 1) ** 2 + ((y / (HEIGHT - 1)) * 2 - 1) ** 2;
      const shade = 1 - (corners * far) / 2;
      for (let c = 0; c < 3; c++) {
        const at = y * WIDTH + x;
        const light = Math.max(0, pixels[3 * at + c]! * balance[c]! * shade);
        const toned = curve[Math.min(CURVE - 1, (light * CURVE) / BRIGHTEST) | 0]!;
        out[c * PIXELS + at] = Math.max(0, Math.min(255, Math.round(255 * (toned + noise * draw()))));
      }
    }
  }
  return out;
}

/** Light up to this is told apart, in this many steps. */
const BRIGHTEST = 3;
const CURVE = 4096;

/** The picture's value for each step of the light. */
function toneCurve(gamma: number): Float32Array {
  return Float32Array.from({ length: CURVE }, (_, i) => {
    const value = (((i + 0.5) / CURVE) * BRIGHTEST) ** gamma;
    // Soft at the bright end, as film and cameras are.
    return value < 0.8 ? value : 1 - 0.2 * Math.exp(-(value - 0.8) / 0.2);
  });
}

function streaks({ pixels }: Canvas, random: Random, count: number, strength: number): void {
  const slant = between(random, -0.4, 0.4);
  for (let i = 0; i < count; i++) {
    const [x0, y0] = [WIDTH * random.uniform(), HEIGHT * random.uniform()];
    const length = 2 + 6 * random.uniform();
    for (let step = 0; step < length; step++) {
      const [x, y] = [Math.round(x0 + slant * step), Math.round(y0 + step)];
      if (x < 0 || x >= WIDTH || y >= HEIGHT) continue;
      for (let c = 0; c < 3; c++) {
        const at = 3 * (y * WIDTH + x) + c;
        pixels[at]! += strength * (0.75 - pixels[at]!);
      }
    }
  }
}

function flakes(canvas: Canvas, random: Random, count: number): void {
  for (let i = 0; i < count; i++) {
    const at = [WIDTH * random.uniform(), HEIGHT * random.uniform()] as const;
    canvas.capsule(at, at, between(random, 0.2, 0.9), [0.95, 0.96, 1], 0.8);
  }
}

/** Three taps each way: `share` from either neighbour. */
function blur(pixels: Float32Array, share: number): void {
  const before = pixels.slice();
  const row = 3 * WIDTH;
  for (let at = 0; at < pixels.length; at++) {
    const column = at % row;
    const left = before[column >= 3 ? at - 3 : at]!;
    const right = before[column < row - 3 ? at + 3 : at]!;
    pixels[at] = (1 - 2 * share) * before[at]! + share * (left + right);
  }
  before.set(pixels);
  for (let at = 0; at < pixels.length; at++) {
    const up = before[at >= row ? at - row : at]!;
    const down = before[at + row < pixels.length ? at + row : at]!;
    pixels[at] = (1 - 2 * share) * before[at]! + share * (up + down);
  }
}

/** About standard normal: the sum of four bytes of a xorshift generator (Marsaglia 2003), which 14,000 draws a picture ask for. */
function bits(random: Random): () => number {
  let state = 1 + random.below(0xfffffffe);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const sum = (state & 255) + ((state >>> 8) & 255) + ((state >>> 16) & 255) + (state >>> 24);
    // Four uniform bytes: mean 510, standard deviation 147.8.
    return (sum - 510) / 147.8;
  };
}
