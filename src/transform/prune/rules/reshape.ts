import { type Dim, intOf, intsOf, Tensor } from '../../../graph/index.ts';
import { axisOf, numeric, type PruneRule, type TraceSite } from '../rule.ts';
import type { Axis } from '../terms.ts';

/** Axes of the input and of the output that hold the same elements in the same order: [from, to) on both sides. */
interface Run {
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
}

/** Matches the axes of a reshaped value from both ends, as far as sizes are known. What lies between is unknown. */
function runsOf(input: readonly Dim[], output: readonly Dim[]): Run[] {
  const back = suffixRuns(input, output);
  const [restIn, restOut] = [back.at(-1)?.input[0] ?? input.length, back.at(-1)?.output[0] ?? output.length];
  const front: Run[] = [];
  // Equal sizes in front: a batch by its symbol, say.
  for (let i = 0; i < Math.min(restIn, restOut); i++) {
    if (input[i] !== output[i] || input[i] === null) break;
    front.push({ input: [i, i + 1], output: [i, i + 1] });
  }
  return [...front, ...back.reverse()];
}

/** From the right: the shortest ends of equal size, one after the other. */
function suffixRuns(input: readonly Dim[], output: readonly Dim[]): Run[] {
  const runs: Run[] = [];
  let [i, j] = [input.length, output.length];
  for (;;) {
    let [a, b] = [i - 1, j - 1];
    if (a < 0 || b < 0) break;
    if (input[a] !== output[b] || input[a] === null) {
      let [left, right]: [Dim, Dim] = [input[a]!, output[b]!];
      while (typeof left === 'number' && typeof right === 'number' && left !== right) {
        if (left < right) left = a > 0 ? times(left, input[--a]!) : null;
        else right = b > 0 ? times(right, output[--b]!) : null;
      }
      if (typeof left !== 'number' || left !== right) break;
    }
    runs.push({ input: [a, i], output: [b, j] });
    [i, j] = [a, b];
  }
  return runs;
}

const times = (a: number, b: Dim): Dim => (typeof b === 'number' ? a * b : null);

/** The sizes into which both sides can be cut, first to last; undefined where they do not nest. */
function factorsOf(input: readonly number[], output: readonly number[]): number[] | undefined {
  const bounds = new Set<number>([1]);
  for (const dims of [input, output]) {
    let size = 1;
    for (const dim of [...dims].reverse()) {
      size *= dim;
      bounds.add(size);
    }
  }
  const sorted = [...bounds].sort((a, b) => a - b);
  const factors = sorted.slice(1).map((bound, i) => bound / sorted[i]!);
  return factors.every(Number.isInteger) ? factors.reverse() : undefined;
}

/** Ties the axes of one run and returns those of the output. */
function regroup(
  site: TraceSite,
  axes: readonly Axis[],
  input: readonly number[],
  output: readonly number[],
) {
  const factors = factorsOf(input, output);
  if (factors === undefined || axes.every((axis, i) => typeof axis === 'string' || input[i] === 1)) {
    for (const axis of axes) site.pin(axis, `is cut across by ${site.label}`);
    const why = axes.find((axis) => typeof axis === 'string') ?? `is cut across by ${site.label}`;
    return output.map(() => why);
  }
  const terms: { axis: Axis; size: number }[] = [];
  let next = 0;
  for (const [i, axis] of axes.entries()) {
    const own: { axis: Axis; size: number }[] = [];
    for (let size = 1; size < input[i]!; ) {
      const factor = factors[next++]!;
      size *= factor;
      // A factor that is the whole axis needs no variables of its own.
      own.push({
        axis: factor === input[i] || typeof axis === 'string' ? axis : site.fresh(factor),
        size: factor,
      });
    }
    if (own.length > 1 && typeof axis !== 'string') site.tie(axis, site.product(own));
    terms.push(...own);
  }
  next = 0;
  return output.map((dim): Axis => {
    const own: { axis: Axis; size: number }[] = [];
    for (let size = 1; size < dim; size *= own.at(-1)!.size) own.push(terms[next++]!);
    if (own.length === 0) return `is of size one at ${site.label}`;
    return own.length === 1 ? own[0]!.axis : site.product(own);
  });
}

/** Follows the elements of input 0 into another shape. */
function reshaped(site: TraceSite): Axis[] {
  const [input, output, axes] = [site.shape(0), site.made(0), site.axes(0)];
  const made: Axis[] = output.map(() => `has no part of its own in ${site.label}`);
  const followed = new Set<number>();
  for (const run of runsOf(input, output)) {
    const own = axes.slice(...run.input);
    for (let i = run.input[0]; i < run.input[1]; i++) followed.add(i);
    const [from, to] = [numeric(input.slice(...run.input)), numeric(output.slice(...run.output))];
    // A symbol on both sides is one axis on both sides.
    const next = from && to ? regroup(site, own, from, to) : own;
    for (const [i, axis] of next.entries()) made[run.output[0] + i] = axis;
  }
  for (const [i, axis] of axes.entries()) {
    if (!followed.has(i)) site.pin(axis, `cannot be followed through ${site.label}`);
  }
  return made;
}

/** Sizes of the target that can only be said as -1. */
function unsaid(input: readonly Dim[], output: readonly Dim[]): number {
  return output.filter((dim, i) => typeof dim !== 'number' && (dim === null || dim !== input[i])).length;
}

const reshape: PruneRule = {
  trace(site) {
    if (intOf(site.node, 'allowzero', 0) !== 0) {
      site.opaque('takes zeros for sizes');
      return;
    }
    const constant = site.constant(1) !== undefined;
    if (!constant && unsaid(site.shape(0), site.made(0)) > 1) {
      site.opaque('has a target of several unknown sizes');
      return;
    }
    site.set(0, reshaped(site));
  },
  cut(site) {
    const { node, before, after } = site;
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    const [from, to] = [after(input), after(output)];
    const same = (value: string) => after(value).every((dim, i) => dim === before(value)[i]);
    if (same(input) && same(output)) return;
    const written = site.constant(1)?.numbers();
    const target = to.map((dim, i) => {
      if (written?.[i] === -1) return -1;
      if (written?.[i] === 0 && from[i] === dim) return 0;
      if (typeof dim === 'number') return dim;
      return dim !== null && from[i] === dim ? 0 : -1;
    });
    site.setInput(1, Tensor.int64([target.length], target));
  },
};

const flatten: PruneRule = {
  trace(site) {
    const [shape, axes] = [site.shape(0), site.axes(0)];
    const at = axisOf(intOf(site.node, 'axis', 1), axes.length);
    const halves = [
      [0, at],
      [at, axes.length],
    ] as const;
    site.set(
      0,
      halves.map(([from, to]): Axis => {
        const own = axes.slice(from, to).map((axis, i) => ({ axis, size: shape[from + i]! }));
        const wide = own.filter(({ size }) => size !== 1);
        if (wide.length === 0) return `is of size one at ${site.label}`;
        if (wide.length === 1) return wide[0]!.axis;
        const sized = wide.filter((one): one is { axis: Axis; size: number } => typeof one.size === 'number');
        if (sized.length === wide.length) return site.product(sized);
        for (const { axis } of wide)
          site.pin(axis, `is merged with an axis of unknown size by ${site.label}`);
        return `is of unknown size at ${site.label}`;
      }),
    );
  },
};

const transpose: PruneRule = {
  trace(site) {
    const axes = site.axes(0);
    const perm = intsOf(site.node, 'perm') ?? axes.map((_, i) => axes.length - 1 - i);
    site.set(
      0,
      perm.map((from) => axes[from]!),
    );
  },
};

/** Axes given as an attribute, or as input 1 since opset 13. */
function givenAxes(site: TraceSite, rank: number): number[] | undefined {
  const given = intsOf(site.node, 'axes') ?? site.constant(1)?.numbers();
  return given?.map((axis) => axisOf(axis, rank));
}

const squeeze: PruneRule = {
  trace(site) {
    const [shape, axes] = [site.shape(0), site.axes(0)];
    const gone =
      givenAxes(site, axes.length) ??
      (site.has(1) ? undefined : shape.flatMap((dim, i) => (dim === 1 ? [i] : [])));
    if (gone === undefined) {
      site.opaque('removes axes that are not known');
      return;
    }
    site.set(
      0,
      axes.filter((_, i) => !gone.includes(i)),
    );
  },
};

const unsqueeze: PruneRule = {
  trace(site) {
    const rank = site.made(0).length;
    const added = givenAxes(site, rank);
    if (added === undefined) {
      site.opaque('adds axes that are not known');
      return;
    }
    const rest = [...site.axes(0)];
    site.set(
      0,
      Array.from(
        { length: rank },
        (_, i): Axis => (added.includes(i) ? `is of size one at ${site.label}` : rest.shift()!),
      ),
    );
  },
};

/** Blocks of the image become channels or the other way round: [block*block, channels], or that turned. */
function blocks(toDepth: boolean): PruneRule {
  return {
    trace(site) {
      const [batch = '', channels = '', ...spatial] = site.axes(0);
      const few = toDepth ? site.shape(0)[1] : site.made(0)[1];
      if (typeof few !== 'number') {
        site.opaque('has an unknown number of channels');
        return;
      }
      for (const axis of spatial) site.pin(axis, `is a spatial axis of ${site.label}`);
      const size = intOf(site.node, 'blocksize', 1) ** 2;
      const block = { axis: `is a place in a block of ${site.label}`, size };
      const inner = { axis: toDepth ? channels : site.fresh(few), size: few };
      const turned = site.node.attributes.get('mode')?.value === 'CRD';
      const many = site.product(turned ? [inner, block] : [block, inner]);
      if (!toDepth) site.tie(channels, many);
      site.set(0, [batch, toDepth ? many : inner.axis, ...spatial]);
    },
  };
}

/** Ops that keep all elements and give them other axes. */
export const RESHAPES = {
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  DepthToSpace: blocks(false),
  SpaceToDepth: blocks(true),
} as const satisfies Record<string, PruneRule>;
