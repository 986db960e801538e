import type { Builder } from '../loop/builder.ts';
import { type Expr, type Local, plus } from '../loop/ir.ts';
import type { Program } from '../plan/program.ts';
import type { View } from '../plan/view.ts';
import type { Arithmetic } from './arithmetic.ts';
import { type Axis, joined, walkAll } from './axes.ts';
import type { Sink } from './sink.ts';

/** The second factor: weights that are packed for this kernel, or a matrix that lies in memory with its columns side by side. */
export type Weights =
  | {
      /** Panels of `vecs` accumulators, with the summed axis in runs of so many elements. */
      pack(vecs: number, run: number): View;
    }
  | {
      readonly view: View;
      /** Bytes from one element of the summed axis to the next. */
      readonly kStep: number;
    };

export interface Gemm {
  readonly arithmetic: Arithmetic;
  readonly x: View;
  readonly weights: Weights;
  readonly bias: View | undefined;
  /** What integer sums are multiplied by: a number, or one for each channel. */
  readonly scale: number | View | undefined;
  /** Channels of the output, and the axis of the sink's views that they lie on. */
  readonly channels: number;
  readonly axis: number;
  /** The outputs: sizes, with the axis of the sink's views that each is (or none), and bytes that x and the weights move. */
  readonly positions: readonly {
    readonly size: number;
    readonly axis: number;
    readonly x: number;
    readonly w: number;
  }[];
  /** The summed axes: sizes, and bytes that x moves. The weights follow one another. */
  readonly sums: readonly { readonly size: number; readonly x: number }[];
}

/** Accumulators at once: WebAssembly engines on x86 have sixteen registers, of which one is theirs. */
const TILE = 8;

/** Rows and accumulators of a tile, for so many rows in all: with few rows, more channels. */
export function vecsOf(rows: number, vecs: number): number {
  return Math.min(vecs, rows === 1 ? TILE : rows <= 3 ? TILE / 2 : 2);
}

/**
 * x times weights, plus bias, through the sink. Output channels go in panels, so that the weights of a panel stay in the first
 * cache; within a panel four neighbouring outputs by eight channels are summed in registers (measured to be the fastest tile on
 * every version of V8 from 11.3 on, which spills what is larger or unrolled).
 */
export function gemm(program: Program, label: string, spec: Gemm, sink: Sink): void {
  const { arithmetic: a, channels } = spec;
  const vecs = Math.ceil(channels / a.lanes);
  const walkers = sink.walkers();
  const extra = [spec.bias, typeof spec.scale === 'object' ? spec.scale : undefined];
  const fixed = 2 + extra.filter((view) => view !== undefined).length;
  const positions = joined(
    spec.positions.map(
      ({ size, axis, x, w }): Axis => ({
        size,
        steps: [
          x,
          w,
          ...extra.flatMap((view) => (view ? [0] : [])),
          ...walkers.map(({ steps }) => steps[axis] ?? 0),
        ],
      }),
    ),
  );
  // The outputs of a tile share their weights: another matrix for each is another tile.
  if ((positions.at(-1)?.steps[1] ?? 0) !== 0)
    positions.push({ size: 1, steps: positions[0]!.steps.map(() => 0) });
  const rows = positions.at(-1) ?? { size: 1, steps: new Array<number>(fixed + sink.views.length).fill(0) };
  const { units, run } = sumsOf(spec);
  const panel = vecsOf(rows.size, vecs);
  const panels = Math.floor(vecs / panel);
  const packed = 'pack' in spec.weights;
  const matrix = 'pack' in spec.weights ? spec.weights.pack(panel, run) : spec.weights.view;
  const vecStep = packed ? a.wBytes : 4 * a.lanes;
  const views = [spec.x, matrix, ...extra.flatMap((view) => view ?? []), ...sink.views];
  program.kernel(label, a.name, views, (b, pointers) => {
    const channelSteps = (count: number) => [
      0,
      packed ? count * a.wBytes * lengthOf(units) : count * vecStep,
      ...extra.flatMap((view) => (view ? [count * a.lanes * 4] : [])),
      ...walkers.map(({ steps }) => count * a.lanes * steps[spec.axis]!),
    ];
    const onePanel = (from: readonly Expr[], count: number, left: number) =>
      walkAll(b, positions.slice(0, -1), from, (outer) => {
        const turns = Math.ceil(
          rows.size / Math.min(count === 1 ? 6 : 4, Math.max(1, Math.floor(TILE / count))),
        );
        const small = Math.floor(rows.size / turns);
        const large = rows.size - small * turns;
        const tiles = (
          start: readonly Expr[],
          times: number,
          height: number,
          then?: (end: Expr[]) => void,
        ) => {
          let end: Expr[] = start.map((pointer, i) => plus(pointer, rows.steps[i]! * height * times));
          const loops = times > 1;
          b.walk(
            times,
            start.map((pointer, i) => [pointer, rows.steps[i]! * height] as const),
            (at) => {
              tile(program, b, spec, sink, at, {
                ...{ rows: height, vecs: count, left, fixed, steps: rows.steps, units },
                kStep: 'pack' in spec.weights ? a.wBytes * count : spec.weights.kStep,
              });
              if (loops) end = at;
            },
          );
          then?.(end);
        };
        if (large > 0) tiles(outer, large, small + 1, (end) => tiles(end, turns - large, small));
        else tiles(outer, turns, small);
      });
    const whole = vecs - panels * panel;
    const last = (count: number) => channels - (vecs - count) * a.lanes;
    // The last channels may fill their vector in part: then their panel is one of its own.
    const ragged = channels % a.lanes !== 0 && whole === 0;
    const regular = ragged ? panels - 1 : panels;
    b.walk(
      regular,
      pointers.map((pointer, i) => [pointer, channelSteps(panel)[i]!] as const),
      (at) => onePanel(at, panel, panel * a.lanes),
    );
    const rest = vecs - regular * panel;
    if (rest <= 0) return;
    const moved = pointers.map((pointer, i) => plus(pointer, regular * channelSteps(panel)[i]!));
    onePanel(moved, rest, last(rest));
  });
}

/** The summed axes with as few levels as can be, the last one counted in units. */
function sumsOf({ sums, arithmetic: a }: Gemm): { units: Axis[]; run: number } {
  const axes = joined(sums.map(({ size, x }) => ({ size, steps: [x] })));
  // What does not lie side by side cannot be read two at a time.
  if (a.unit > 1 && axes.length > 0 && axes.at(-1)!.steps[0] !== a.xBytes)
    axes.push({ size: 1, steps: [a.xBytes] });
  const last = axes.pop() ?? { size: 1, steps: [a.xBytes] };
  const units = [...axes, { size: Math.ceil(last.size / a.unit), steps: [last.steps[0]! * a.unit] }];
  return { units, run: last.size };
}

const lengthOf = (axes: readonly Axis[]): number => axes.reduce((product, { size }) => product * size, 1);

interface Tile {
  readonly rows: number;
  readonly vecs: number;
  /** Channels that are really there. */
  readonly left: number;
  /** Pointers before those of the sink. */
  readonly fixed: number;
  readonly steps: readonly number[];
  readonly units: readonly Axis[];
  /** Bytes of weights from one unit to the next. */
  readonly kStep: number;
}

const MOST_UNROLLED = 4;

function tile(program: Program, b: Builder, spec: Gemm, sink: Sink, at: readonly Expr[], shape: Tile): void {
  const { arithmetic: a } = spec;
  const { rows, vecs, steps, units, kStep } = shape;
  const [x, w] = [at[0]!, at[1]!];
  const sums: Local[][] = [];
  for (let r = 0; r < rows; r++) sums.push([]);
  for (let v = 0; v < vecs; v++) {
    const start = spec.bias === undefined ? a.zero() : b.local('bias', a.bias(at[2]!, v * a.lanes * 4));
    for (let r = 0; r < rows; r++) sums[r]!.push(b.local('sum', start));
  }
  const weight = b.local('w', w);
  const vecStep = 'pack' in spec.weights ? a.wBytes : 4 * a.lanes;
  const multiply = (from: Expr, k: number) => {
    const weightOf = (v: number) => b.local('wv', a.w(weight, k * kStep + v * vecStep));
    const inputOf = (r: number) => b.local('xv', a.x(from, r * steps[0]! + k * units.at(-1)!.steps[0]!));
    const sum = (r: number, v: number, x: Expr, wv: Expr) => b.set(sums[r]![v]!, a.mac(sums[r]![v]!, x, wv));
    // The shorter side is held in registers, the longer one read one by one.
    if (rows <= vecs) {
      const inputs = Array.from({ length: rows }, (_, r) => inputOf(r));
      for (let v = 0; v < vecs; v++) {
        const read = weightOf(v);
        for (let r = 0; r < rows; r++) sum(r, v, inputs[r]!, read);
      }
    } else {
      const read = Array.from({ length: vecs }, (_, v) => weightOf(v));
      for (let r = 0; r < rows; r++) {
        const input = inputOf(r);
        for (let v = 0; v < vecs; v++) sum(r, v, input, read[v]!);
      }
    }
  };
  const run = units.at(-1)!;
  walkAll(b, units.slice(0, -1), [x], ([start]) => {
    if (run.size <= MOST_UNROLLED) {
      for (let k = 0; k < run.size; k++) multiply(start!, k);
      if (units.length > 1) b.set(weight, plus(weight, run.size * kStep));
      return;
    }
    b.walk(run.size, [[start!, run.steps[0]!]], ([p]) => {
      multiply(p!, 0);
      b.set(weight, plus(weight, kStep));
    });
  });
  const site = { b, l: program.lanes, math: program.math };
  const scaleAt = at[2 + (spec.bias === undefined ? 0 : 1)];
  for (let r = 0; r < rows; r++) {
    const values = sums[r]!.map((sum, v) => {
      if (spec.scale === undefined) return a.float(sum);
      const scale =
        typeof spec.scale === 'number'
          ? program.lanes.constant(spec.scale)
          : program.lanes.load(scaleAt!, v * a.lanes * 4);
      return b.local('y', program.lanes.mul(a.float(sum), scale));
    });
    const delta = steps.slice(shape.fixed).map((step) => step * r);
    sink.put(site, values, at.slice(shape.fixed), delta, spec.axis, shape.left);
  }
}
