import type { Builder } from '../loop/builder.ts';
import { apply, type Expr, type Local, load } from '../loop/ir.ts';
import { bytesOf, type Program } from '../plan/program.ts';
import { elementBytes, type View } from '../plan/view.ts';
import { type Axis, joined, walkAll } from './axes.ts';
import { loadNumbers, type Sink } from './sink.ts';

/** A window over the spatial axes of x, channels last: one row of numbers per axis, height first. */
export interface Windows {
  /** [N, C, H, W], bordered as the window needs it. */
  readonly x: View;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Where the first window begins, before the first element. */
  readonly before: readonly [number, number];
  readonly out: readonly [number, number];
  /** The axes of the sink's views that batch, height and width are; -1 where they have none. */
  readonly axes: readonly [number, number, number];
}

/** The view at the corner of the first window. */
export function cornerOf({ x, before }: Windows): View {
  return { ...x, offset: x.offset - before[0] * x.strides[2]! - before[1] * x.strides[3]! };
}

const UNROLLED = 4;
/** Neighbouring outputs at once. */
const ACROSS = 4;

/** Positions of the output, with bytes that x, `fixed` other pointers that stay, and the sink's views move. */
function positionsOf(spec: Windows, sink: Sink, fixed: number): { rows: Axis[]; across: Axis } {
  const size = elementBytes(spec.x);
  const x = [0, spec.x.strides[2]! * spec.strides[0] * size, spec.x.strides[3]! * spec.strides[1] * size];
  x[0] = spec.x.strides[0]! * size;
  const walkers = sink.walkers();
  const sizes = [spec.x.dims[0]!, ...spec.out];
  const axes = sizes.map(
    (count, i): Axis => ({
      size: count,
      steps: [
        x[i]!,
        ...new Array<number>(fixed).fill(0),
        ...walkers.map(({ steps }) => steps[spec.axes[i]!] ?? 0),
      ],
    }),
  );
  const rows = joined(axes);
  const across = rows.pop() ?? { size: 1, steps: new Array<number>(1 + fixed + walkers.length).fill(0) };
  return { rows, across };
}

/** Neighbouring outputs in groups of at most ACROSS, as even as can be. */
function groups(
  b: Builder,
  across: Axis,
  from: readonly Expr[],
  most: number,
  fill: (at: readonly Expr[], count: number, ahead: number) => void,
): void {
  const turns = Math.ceil(across.size / most);
  const small = Math.floor(across.size / turns);
  const large = across.size - small * turns;
  const walk = (start: readonly Expr[], times: number, count: number, ahead: number): readonly Expr[] => {
    let end: readonly Expr[] = start;
    b.walk(
      times,
      start.map((pointer, i) => [pointer, across.steps[i]! * count] as const),
      (at) => {
        fill(at, count, ahead);
        if (times > 1) end = at;
      },
    );
    return end;
  };
  const end = large > 0 ? walk(from, large, small + 1, 0) : from;
  walk(end, turns - large, small, large === 1 ? small + 1 : 0);
}

/** Each channel by its own window of weights [channels/lanes][kernel][lanes], four neighbouring outputs at once. */
export function depthwise(
  program: Program,
  label: string,
  spec: Windows & { readonly weights: Float32Array; readonly bias: View | undefined },
  sink: Sink,
): void {
  const { lanes: l, math } = program;
  const [KH, KW] = spec.kernel;
  const channels = spec.x.dims[1]!;
  const vecs = Math.ceil(channels / l.width);
  const packed = new Float32Array(vecs * KH * KW * l.width);
  for (let c = 0; c < channels; c++) {
    for (let k = 0; k < KH * KW; k++) {
      packed[(Math.floor(c / l.width) * KH * KW + k) * l.width + (c % l.width)] =
        spec.weights[c * KH * KW + k]!;
    }
  }
  const weights = program.floats(`${label} weights`, [packed.length], packed);
  const fixed = spec.bias === undefined ? 1 : 2;
  const { rows, across } = positionsOf(spec, sink, fixed);
  const views = [cornerOf(spec), weights, ...(spec.bias === undefined ? [] : [spec.bias]), ...sink.views];
  const walkers = sink.walkers();
  const size = 4;
  const tap = spec.x.strides[3]! * spec.dilations[1] * size;
  const line = spec.x.strides[2]! * spec.dilations[0] * size;
  program.kernel(label, 'depthwise', views, (b, pointers) => {
    const site = { b, l, math };
    const channelSteps = [
      l.width * size,
      KH * KW * l.width * 4,
      ...(spec.bias === undefined ? [] : [l.width * 4]),
      ...walkers.map(({ steps }) => steps[1]! * l.width),
    ];
    const onVector = (from: readonly Expr[], left: number) =>
      walkAll(b, rows, from, (outer) =>
        groups(b, across, outer, ACROSS, (at, count, ahead) => {
          const shift = (i: number, r: number) => across.steps[i]! * (r + ahead);
          const start = spec.bias === undefined ? l.constant(0) : b.local('bias', l.load(at[2]!));
          const sums = Array.from({ length: count }, () => b.local('sum', start));
          const weight = b.local('w', at[1]!);
          b.walk(KH, [[at[0]!, line]], ([row]) => {
            for (let k = 0; k < KW; k++) {
              const wv = b.local('wv', l.load(weight, k * l.width * 4));
              for (const [r, sum] of sums.entries()) {
                b.set(sum, l.add(sum, l.mul(l.load(row!, shift(0, r) + k * tap), wv)));
              }
            }
            if (KH > 1)
              b.set(
                weight,
                apply('i32.add', [weight, { kind: 'constant', type: 'i32', value: KW * l.width * 4 }]),
              );
          });
          for (const [r, sum] of sums.entries()) {
            const delta = sink.views.map((_, i) => shift(1 + fixed + i, r));
            sink.put(site, [sum], at.slice(1 + fixed), delta, 1, left);
          }
        }),
      );
    overChannels(b, pointers, channelSteps, channels, l.width, onVector);
  });
}

/** Whole vectors of channels in a loop, the rest once. */
function overChannels(
  b: Builder,
  pointers: readonly Expr[],
  steps: readonly number[],
  channels: number,
  width: number,
  fill: (at: readonly Expr[], left: number) => void,
): void {
  const whole = Math.floor(channels / width);
  let ends: readonly Expr[] = pointers;
  b.walk(
    whole,
    pointers.map((pointer, i) => [pointer, steps[i]!] as const),
    (at) => {
      fill(at, width);
      ends = at;
    },
  );
  if (channels % width === 0) return;
  const last = whole > 1 ? ends : pointers.map((pointer, i) => add(pointer, steps[i]! * whole));
  fill(last, channels - whole * width);
}

const add = (pointer: Expr, bytes: number): Expr =>
  bytes === 0 ? pointer : apply('i32.add', [pointer, { kind: 'constant', type: 'i32', value: bytes }]);

/** Depthwise on quantized activations: eight channels, two taps of the window by one instruction. */
export function depthwiseInteger(
  program: Program,
  label: string,
  spec: Windows & { readonly weights: Int8Array; readonly bias: View; readonly scale: View },
  sink: Sink,
): void {
  const { lanes: l, math } = program;
  const [KH, KW] = spec.kernel;
  const taps = KH * KW;
  const channels = spec.x.dims[1]!;
  const vector = l.vector;
  const width = vector ? 8 : 1;
  const vecs = Math.ceil(channels / width);
  const pairs = vector ? Math.ceil(taps / 2) : taps;
  const each = vector ? 2 : 1;
  const packed = new Int8Array(vecs * pairs * width * each);
  for (let c = 0; c < channels; c++) {
    for (let k = 0; k < taps; k++) {
      const pair = Math.floor(c / width) * pairs + Math.floor(k / each);
      packed[pair * width * each + (c % width) * each + (k % each)] = spec.weights[c * taps + k]!;
    }
  }
  const weights = program.constant(`${label} weights`, 'i8', [packed.length], bytesOf(packed));
  const { rows, across } = positionsOf(spec, sink, 3);
  const views = [cornerOf(spec), weights, spec.bias, spec.scale, ...sink.views];
  const walkers = sink.walkers();
  const place = (k: number) =>
    2 *
    (Math.floor(k / KW) * spec.x.strides[2]! * spec.dilations[0] +
      (k % KW) * spec.x.strides[3]! * spec.dilations[1]);
  program.kernel(label, 'qdepthwise', views, (b, pointers) => {
    const site = { b, l, math };
    const channelSteps = [
      2 * width,
      pairs * width * each,
      4 * width,
      4 * width,
      ...walkers.map(({ steps }) => steps[1]! * width),
    ];
    const onVector = (from: readonly Expr[], left: number) =>
      walkAll(b, rows, from, (outer) =>
        groups(b, across, outer, vector ? 2 : 1, (at, count, ahead) => {
          const shift = (i: number, r: number) => across.steps[i]! * (r + ahead);
          const halves = vector ? 2 : 1;
          const lane = vector ? 4 : 1;
          const sums: Local[][] = Array.from({ length: count }, () =>
            Array.from({ length: halves }, (_, h) =>
              b.local('sum', load(vector ? 'v128.load' : 'i32.load', at[2]!, 4 * lane * h)),
            ),
          );
          for (let p = 0; p < pairs; p++) {
            const offset = p * width * each;
            if (!vector) {
              const wv = b.local('wv', load('i32.load8_s', at[1]!, offset));
              for (const [r, [sum]] of sums.entries()) {
                const x = load('i32.load16_s', at[0]!, shift(0, r) + place(p));
                b.set(sum!, apply('i32.add', [sum!, apply('i32.mul', [x, wv])]));
              }
              continue;
            }
            const [first, second] = [2 * p, Math.min(taps - 1, 2 * p + 1)];
            const w = [0, 1].map((h) => b.local('wv', load('i16x8.load8x8_s', at[1]!, offset + 8 * h)));
            for (const [r, halvesOf] of sums.entries()) {
              const one = b.local('one', load('v128.load', at[0]!, shift(0, r) + place(first)));
              const two =
                first === second
                  ? one
                  : b.local('two', load('v128.load', at[0]!, shift(0, r) + place(second)));
              for (const [h, sum] of halvesOf.entries()) {
                const mixed: Expr = {
                  kind: 'shuffle',
                  type: 'v128',
                  args: [one, two],
                  bytes: INTERLEAVED[h]!,
                };
                b.set(sum, l.iadd(sum, apply('i32x4.dot_i16x8_s', [mixed, w[h]!])));
              }
            }
          }
          for (const [r, halvesOf] of sums.entries()) {
            const values = halvesOf.map((sum, h) =>
              b.local('y', l.mul(l.fromInt(sum), l.load(at[3]!, 4 * lane * h))),
            );
            const needed = values.slice(0, Math.ceil(left / lane));
            const delta = sink.views.map((_, i) => shift(4 + i, r));
            sink.put(site, needed, at.slice(4), delta, 1, left);
          }
        }),
      );
    overChannels(b, pointers, channelSteps, channels, width, onVector);
  });
}

/** The low, and the high, i16 lanes of two vectors in turns. */
const INTERLEAVED = [0, 8].map((from) =>
  Array.from({ length: 4 }, (_, i) => [
    from + 2 * i,
    from + 2 * i + 1,
    16 + from + 2 * i,
    17 + from + 2 * i,
  ]).flat(),
);

/** The largest, or the sum, of each window. */
export function pool(program: Program, label: string, spec: Windows, kind: 'max' | 'sum', sink: Sink): void {
  const { lanes: l, math } = program;
  const [KH, KW] = spec.kernel;
  const size = elementBytes(spec.x);
  const { rows, across } = positionsOf(spec, sink, 0);
  const channels = spec.x.dims[1]!;
  const walkers = sink.walkers();
  const taps: Axis[] = joined([
    { size: KH, steps: [spec.x.strides[2]! * spec.dilations[0] * size] },
    { size: KW, steps: [spec.x.strides[3]! * spec.dilations[1] * size] },
  ]);
  const inner = taps.at(-1)?.size ?? 1;
  const flat = inner <= UNROLLED ? taps.pop() : undefined;
  program.kernel(label, `${kind}pool`, [cornerOf(spec), ...sink.views], (b, pointers) => {
    const site = { b, l, math };
    const channelSteps = [l.width * size, ...walkers.map(({ steps }) => steps[1]! * l.width)];
    walkAll(b, [...rows, across], pointers, (at) =>
      overChannels(b, at, channelSteps, channels, l.width, (from, left) => {
        const start = kind === 'max' ? Number.NEGATIVE_INFINITY : 0;
        const sum = b.local('sum', l.constant(start));
        walkAll(b, taps, [from[0]!], ([window]) => {
          for (let k = 0; k < (flat?.size ?? 1); k++) {
            const value = loadNumbers(l, spec.x, window!, k * (flat?.steps[0] ?? 0), size);
            b.set(sum, kind === 'max' ? l.max(value, sum) : l.add(sum, value));
          }
        });
        sink.put(
          site,
          [sum],
          from.slice(1),
          sink.views.map(() => 0),
          1,
          left,
        );
      }),
    );
  });
}
