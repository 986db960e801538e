import type { Builder } from '../loop/builder.ts';
import { type Expr, load } from '../loop/ir.ts';
import { storeLanes } from '../loop/lanes.ts';
import type { Program } from '../plan/program.ts';
import { broadcastTo, elementBytes, type View } from '../plan/view.ts';
import { type Axis, joined, walkAll } from './axes.ts';
import type { Sink } from './sink.ts';

/** The axes of a view from the one that moves farthest to the one that moves least. */
function byDistance({ dims, strides }: View): number[] {
  const order = dims.map((_, axis) => axis);
  return order.sort((a, b) => Math.abs(strides[b]!) - Math.abs(strides[a]!) || a - b);
}

/** The arithmetic of a sink's tree, over its whole output, in one nest of loops. */
export function elementwise(program: Program, label: string, sink: Sink): void {
  const walkers = sink.walkers();
  const order = byDistance(sink.out).filter((axis) => sink.out.dims[axis]! > 1);
  const axes = joined(
    order.map(
      (axis): Axis => ({ size: sink.out.dims[axis]!, steps: walkers.map(({ steps }) => steps[axis]!) }),
    ),
  );
  const inner = order.at(-1) ?? 0;
  const last = axes.at(-1) ?? { size: 1, steps: walkers.map(() => 0) };
  const side = walkers.every(({ view }, i) => {
    const step = last.steps[i]!;
    return step === elementBytes(view) || (i > 0 && step === 0) || last.size === 1;
  });
  const readable = sink.views
    .slice(1)
    .every(({ buffer: { store } }) => store === 'f32' || store === 'i16' || store === 'u8');
  const vector = side && readable && last.size > 1 && program.lanes.vector;
  const l = vector ? program.lanes : program.one;
  const math = vector ? program.math : program.mathOne;
  program.kernel(label, 'map', sink.views, (b, pointers) => {
    const site = { b, l, math };
    walkAll(b, axes.slice(0, -1), pointers, (moved) => {
      // A buffer has room for whole vectors: what belongs to nobody may be written where nothing follows.
      const free = axes.length <= 1 && sink.out.offset === 0 && sink.out.strides[inner] === 1;
      const width = l.width;
      const whole = free ? Math.ceil(last.size / width) : Math.floor(last.size / width);
      const rest = last.size - whole * width;
      const zero = moved.map(() => 0);
      const steps = last.steps.map((step) => step * width);
      let ends = moved;
      b.walk(
        whole,
        moved.map((pointer, i) => [pointer, steps[i]!] as const),
        (at) => {
          sink.put(site, [undefined], at, zero, inner, width);
          ends = at;
        },
      );
      if (rest <= 0) return;
      // A loop leaves its pointers where the rest begins; a single turn has none.
      const delta = whole > 1 ? zero : steps.map((step) => step * whole);
      sink.put(site, [undefined], whole > 1 ? ends : moved, delta, inner, rest);
    });
  });
}

/** The same elements at another place, under other strides. */
export function copy(program: Program, label: string, from: View, out: View): void {
  const size = elementBytes(out);
  const source = broadcastTo(from, out.dims);
  const views = [out, source];
  const order = byDistance(out).filter((axis) => out.dims[axis]! > 1);
  const axes = joined(
    order.map(
      (axis): Axis => ({ size: out.dims[axis]!, steps: views.map(({ strides }) => strides[axis]! * size) }),
    ),
  );
  const last = axes.at(-1) ?? { size: 1, steps: [0, 0] };
  const side = last.steps.every((step) => step === size) && program.lanes.vector;
  program.kernel(label, 'copy', views, (b, pointers) => {
    if (!side) {
      walkAll(b, axes, pointers, ([to, at]) => moveOne(b, to!, at!, size));
      return;
    }
    walkAll(b, axes.slice(0, -1), pointers, ([to, at]) => moveBytes(b, to!, at!, last.size * size));
  });
}

function moveOne(b: Builder, to: Expr, from: Expr, size: number): void {
  if (size === 8) b.store('i64.store', to, 0, load('i64.load', from));
  else if (size === 4) b.store('i32.store', to, 0, load('i32.load', from));
  else if (size === 2) b.store('i32.store16', to, 0, load('i32.load16_s', from));
  else b.store('i32.store8', to, 0, load('i32.load8_u', from));
}

/** So many bytes, sixteen at a time. */
export function moveBytes(b: Builder, to: Expr, from: Expr, bytes: number): void {
  const whole = Math.floor(bytes / 16);
  const rest = bytes - 16 * whole;
  b.walk(
    whole,
    [
      [to, 16],
      [from, 16],
    ],
    ([t, f]) => b.store('v128.store', t!, 0, load('v128.load', f!)),
  );
  if (rest > 0) storeLanes(b, to, 16 * whole, load('v128.load', from, 16 * whole), rest, 1);
}

/** A 32- or 16-bit pattern over so many bytes. */
export function fillBytes(
  program: Program,
  b: Builder,
  to: Expr,
  offset: number,
  bytes: number,
  value: Expr,
  size: number,
): void {
  if (!program.lanes.vector) {
    b.walk(bytes / size, [[to, size]], ([t]) =>
      b.store(size === 4 ? 'f32.store' : 'i32.store16', t!, offset, value),
    );
    return;
  }
  const whole = Math.floor(bytes / 16);
  const rest = bytes - 16 * whole;
  if (whole <= 4) for (let i = 0; i < whole; i++) b.store('v128.store', to, offset + 16 * i, value);
  else b.walk(whole, [[to, 16]], ([t]) => b.store('v128.store', t!, offset, value));
  if (rest > 0) storeLanes(b, to, offset + 16 * whole, value, rest, 1);
}

/** What a border or a padding holds, as one vector or one scalar of its store. */
export function filling(program: Program, store: 'f32' | 'i16', value: number): Expr {
  if (store === 'f32') return program.lanes.constant(value);
  if (program.lanes.vector) return { kind: 'constant', type: 'v128', value, lanes: 'i16x8' };
  return { kind: 'constant', type: 'i32', value };
}

/** Writes the border of a buffer made by `channelsLast`. */
export function clearBorder(program: Program, label: string, view: View): void {
  const { border, dims } = view;
  if (border === undefined) return;
  const size = elementBytes(view);
  const store = view.buffer.store as 'f32' | 'i16';
  const [batch = 1, channels = 1, ...spatial] = dims;
  const [height, width] = spatial.length === 1 ? [1, spatial[0]!] : [spatial[0]!, spatial[1]!];
  const of = (side: readonly number[]) => (spatial.length === 1 ? [0, side[0]!] : [side[0]!, side[1]!]);
  const [[top, left], [bottom, right]] = [of(border.before), of(border.after)] as [
    [number, number],
    [number, number],
  ];
  const pixel = channels * size;
  const row = (left + width + right) * pixel;
  const lowest = store === 'f32' ? Number.NEGATIVE_INFINITY : -32768;
  const value = filling(program, store, border.fill === 'zero' ? 0 : lowest);
  const start: View = { ...view, offset: 0 };
  program.kernel(label, 'border', [start], (b, [base]) => {
    b.walk(batch, [[base!, (top + height + bottom) * row]], ([plane]) => {
      const fill = (at: Expr, offset: number, bytes: number) => {
        if (bytes > 0) fillBytes(program, b, at, offset, bytes, value, size);
      };
      fill(plane!, 0, top * row + left * pixel);
      // The end of one row and the beginning of the next lie side by side.
      const gap = top * row + (left + width) * pixel;
      b.walk(height - 1, [[plane!, row]], ([at]) => fill(at!, gap, (right + left) * pixel));
      fill(plane!, gap + (height - 1) * row, right * pixel + bottom * row);
    });
  });
}
