import { lit } from './backdrop.ts';
import type { Canvas, Colour, Point } from './canvas.ts';
import { type Scene, seenAt } from './scene.ts';

/**
 * Paints one thing that stands on the ground: places in metres, to the right of its foot and above it, the colour as it is in
 * white light. `mirror` turns left and right around.
 */
export class Brush {
  readonly #canvas: Canvas;
  readonly #scene: Scene;
  readonly #ahead: number;
  readonly #sideways: number;
  readonly #foot: { column: number; row: number; scale: number };
  readonly #mirror: number;

  /** `sideways` counts from the middle of the lane. */
  constructor(canvas: Canvas, scene: Scene, ahead: number, sideways: number, mirror = false) {
    this.#canvas = canvas;
    this.#scene = scene;
    this.#ahead = ahead;
    this.#foot = seenAt(scene, ahead, sideways);
    this.#sideways = (this.#foot.column - scene.camera.middle) / this.#foot.scale;
    this.#mirror = mirror ? -1 : 1;
  }

  limb(a: Point, b: Point, thickness: number, colour: Colour): void {
    this.#canvas.capsule(this.#at(a), this.#at(b), (thickness / 2) * this.#foot.scale, this.#lit(colour));
  }

  disc(centre: Point, rx: number, ry: number, colour: Colour): void {
    const { scale } = this.#foot;
    this.#canvas.ellipse(this.#at(centre), rx * scale, ry * scale, this.#lit(colour));
  }

  wheel(centre: Point, radius: number, thickness: number, colour: Colour): void {
    const { scale } = this.#foot;
    this.#canvas.ring(this.#at(centre), radius * scale, thickness * scale, this.#lit(colour));
  }

  shape(corners: readonly Point[], colour: Colour): void {
    this.#canvas.polygon(
      corners.map((corner) => this.#at(corner)),
      this.#lit(colour),
    );
  }

  box(left: number, bottom: number, right: number, top: number, colour: Colour): void {
    this.shape(
      [
        [left, bottom],
        [right, bottom],
        [right, top],
        [left, top],
      ],
      colour,
    );
  }

  /** A lamp: its own light, and in the dark a glow around it. */
  lamp(centre: Point, radius: number, colour: Colour): void {
    const { scale } = this.#foot;
    const at = this.#at(centre);
    if (this.#scene.headlights) {
      this.#canvas.capsule(at, at, Math.max(1.2, 3 * radius * scale), colour, 0.3);
      this.#canvas.capsule(at, at, Math.max(0.6, radius * scale), colour);
    } else this.#canvas.capsule(at, at, radius * scale, this.#lit(colour));
  }

  /** The dark on the ground beneath it. */
  shadow(halfWidth: number): void {
    const { column, row, scale } = this.#foot;
    const dark = this.#scene.shadows > 0 ? 0.6 : 0.35;
    this.#canvas.ellipse(
      [column, row],
      1.1 * halfWidth * scale,
      0.22 * halfWidth * scale + 0.4,
      [0.02, 0.02, 0.03],
      dark,
    );
  }

  #at([x, y]: Point): Point {
    const { column, row, scale } = this.#foot;
    return [column + this.#mirror * x * scale, row - y * scale];
  }

  #lit(colour: Colour): Colour {
    return lit(this.#scene, colour, this.#ahead, this.#sideways);
  }
}
