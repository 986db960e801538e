/** Red, green and blue, 0 to 1 (above: brighter than the sensor can tell). */
export type Colour = readonly [number, number, number];

/** A point in pixels: columns to the right, rows down; pixel (0, 0) has its centre at (0, 0). */
export type Point = readonly [number, number];

export const WIDTH = 96;
export const HEIGHT = 48;

/**
 * A picture under the brush. Shapes are painted over what is there; the share of a pixel that a shape covers follows from
 * the distance of its centre to the edge, so that edges are smooth without rendering anything twice.
 */
export class Canvas {
  /** [HEIGHT, WIDTH, 3] */
  readonly pixels = new Float32Array(WIDTH * HEIGHT * 3);

  set(column: number, row: number, [red, green, blue]: Colour): void {
    const at = 3 * (row * WIDTH + column);
    this.pixels[at] = red;
    this.pixels[at + 1] = green;
    this.pixels[at + 2] = blue;
  }

  /** All within `radius` of the line from a to b: a limb, a pole, with a = b a disc. */
  capsule(a: Point, b: Point, radius: number, colour: Colour, alpha = 1): void {
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const square = dx * dx + dy * dy || 1;
    // A line thinner than a pixel is a pale line a pixel wide.
    const r = Math.max(0.35, radius);
    const opacity = alpha * Math.min(1, radius / r);
    this.#paint(boxOf([a, b], r), colour, opacity, (x, y) => {
      const along = Math.max(0, Math.min(1, ((x - a[0]) * dx + (y - a[1]) * dy) / square));
      return r - Math.hypot(x - a[0] - along * dx, y - a[1] - along * dy);
    });
  }

  /** A circle's edge: a wheel. */
  ring([cx, cy]: Point, radius: number, thickness: number, colour: Colour): void {
    const half = Math.max(0.35, thickness / 2);
    const opacity = Math.min(1, thickness / 2 / half);
    this.#paint(
      boxOf([[cx, cy]], radius + half),
      colour,
      opacity,
      (x, y) => half - Math.abs(Math.hypot(x - cx, y - cy) - radius),
    );
  }

  ellipse([cx, cy]: Point, rx: number, ry: number, colour: Colour, alpha = 1): void {
    const [a, b] = [Math.max(0.3, rx), Math.max(0.3, ry)];
    const box: Box = [cx - a, cy - b, cx + a, cy + b];
    const opacity = alpha * Math.min(1, rx / a) * Math.min(1, ry / b);
    this.#paint(box, colour, opacity, (x, y) => {
      const far = Math.hypot((x - cx) / a, (y - cy) / b);
      // To first order: the value over the length of its gradient.
      const slope = Math.hypot((x - cx) / (a * a), (y - cy) / (b * b)) / Math.max(far, 1e-6);
      return (1 - far) / Math.max(slope, 1 / Math.max(a, b));
    });
  }

  /** A convex polygon, its corners in either direction. */
  polygon(corners: readonly Point[], colour: Colour, alpha = 1): void {
    let area = 0;
    const edges = corners.map((a, i) => {
      const b = corners[(i + 1) % corners.length]!;
      area += a[0] * b[1] - b[0] * a[1];
      const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
      return [a[0], a[1], (b[1] - a[1]) / length, (a[0] - b[0]) / length] as const;
    });
    const side = area > 0 ? 1 : -1;
    this.#paint(boxOf(corners, 0), colour, alpha, (x, y) => {
      let inside = Number.POSITIVE_INFINITY;
      for (const [ax, ay, nx, ny] of edges)
        inside = Math.min(inside, -side * ((x - ax) * nx + (y - ay) * ny));
      return inside;
    });
  }

  /** `inside` is the distance to the edge in pixels, positive within the shape. */
  #paint(box: Box, colour: Colour, alpha: number, inside: (x: number, y: number) => number): void {
    const [left, right] = [
      Math.max(0, Math.ceil(box[0] - 0.5)),
      Math.min(WIDTH - 1, Math.floor(box[2] + 0.5)),
    ];
    const [top, bottom] = [
      Math.max(0, Math.ceil(box[1] - 0.5)),
      Math.min(HEIGHT - 1, Math.floor(box[3] + 0.5)),
    ];
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const cover = alpha * Math.max(0, Math.min(1, inside(x, y) + 0.5));
        if (cover === 0) continue;
        const at = 3 * (y * WIDTH + x);
        for (let c = 0; c < 3; c++) this.pixels[at + c]! += cover * (colour[c]! - this.pixels[at + c]!);
      }
    }
  }
}

/** Left, top, right, bottom. */
type Box = readonly [number, number, number, number];

function boxOf(points: readonly Point[], margin: number): Box {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return [
    Math.min(...xs) - margin,
    Math.min(...ys) - margin,
    Math.max(...xs) + margin,
    Math.max(...ys) + margin,
  ];
}

export function mixed(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])];
}

export function scaled(colour: Colour, by: number): Colour {
  return [colour[0] * by, colour[1] * by, colour[2] * by];
}

/** Hue 0 to 1 around the circle, saturation and value 0 to 1. */
export function hsv(hue: number, saturation: number, value: number): Colour {
  const channel = (n: number) => {
    const k = (n + hue * 6) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}
