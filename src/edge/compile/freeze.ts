import { fail } from '../../base/index.ts';
import { cloneModel, type Dim, type Model, Tensor, tensorType } from '../../graph/index.ts';

export interface FreezeOptions {
  /** Shapes by input name. An axis that a model names ("batch") has one size, wherever it occurs. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Inputs that are settled: they become constants. */
  readonly values?: Readonly<Record<string, number>>;
}

/**
 * The model with the shapes of its inputs settled. A first axis that nobody settled is a batch of one. Throws EDGE_DYNAMIC_SHAPE
 * where another axis is open, and USAGE_BAD_OPTION for what does not fit the model.
 */
export function freezeShapes(model: Model, { shapes = {}, values = {} }: FreezeOptions = {}): Model {
  const frozen = cloneModel(model);
  const { graph } = frozen;
  const names = graph.inputs.map(({ name }) => name);
  for (const name of [...Object.keys(shapes), ...Object.keys(values)]) {
    if (!names.includes(name)) {
      throw fail('USAGE_BAD_OPTION', `there is no input "${name}"; the inputs are ${names.join(', ')}`);
    }
  }
  const bound = new Map<string, number>();
  const declared = (name: string): readonly Dim[] | undefined => {
    const type = graph.inputs.find((input) => input.name === name)?.type;
    return type?.kind === 'tensor' ? type.shape : undefined;
  };
  for (const [name, dims] of Object.entries(shapes)) bind(name, declared(name), dims, bound);
  for (const name of names) {
    const first = declared(name)?.[0];
    if (typeof first === 'string' && !bound.has(first)) bound.set(first, 1);
  }
  graph.inputs = graph.inputs.flatMap((input) => {
    const { name, type } = input;
    if (type.kind !== 'tensor') throw fail('EDGE_UNSUPPORTED', `input "${name}" is no tensor`);
    const given = values[name];
    if (given !== undefined) {
      graph.initializers.set(name, scalarOf(type.dtype, type.shape?.length ?? 0, given));
      return [];
    }
    // A default that the caller could replace is a weight from here on.
    if (graph.initializers.has(name)) return [];
    const dims = shapes[name] ?? type.shape?.map((dim, i) => sizeOfDim(dim, i, bound));
    const open = dims === undefined || dims.some((dim) => typeof dim !== 'number');
    if (open) {
      const shape = type.shape?.map((dim) => dim ?? '?').join(', ') ?? '...';
      throw fail('EDGE_DYNAMIC_SHAPE', `input "${name}" is [${shape}]`, {
        input: name,
        hint: `Give it: --shape ${name}=${(type.shape ?? [1]).map((dim) => (typeof dim === 'number' ? dim : 'N')).join('x')}, with numbers in place of N.`,
      });
    }
    return [{ ...input, type: tensorType(type.dtype, dims) }];
  });
  // What the file says of other values may name axes that are settled now; the rules know better.
  graph.values = new Map();
  graph.outputs = graph.outputs.map((output) =>
    output.type.kind === 'tensor' ? { ...output, type: tensorType(output.type.dtype, undefined) } : output,
  );
  return frozen;
}

function bind(
  name: string,
  shape: readonly Dim[] | undefined,
  dims: readonly number[],
  bound: Map<string, number>,
): void {
  const text = `--shape ${name}=${dims.join('x')}`;
  if (shape !== undefined && shape.length !== dims.length) {
    throw fail('USAGE_BAD_OPTION', `${text}: the input has ${shape.length} axes`);
  }
  for (const [i, dim] of (shape ?? []).entries()) {
    const given = dims[i]!;
    if (typeof dim === 'number' && dim !== given)
      throw fail('USAGE_BAD_OPTION', `${text}: axis ${i} is ${dim}`);
    if (typeof dim !== 'string') continue;
    const known = bound.get(dim);
    if (known !== undefined && known !== given)
      throw fail('USAGE_BAD_OPTION', `${text}: "${dim}" is ${known} already`);
    bound.set(dim, given);
  }
}

function sizeOfDim(dim: Dim, axis: number, bound: ReadonlyMap<string, number>): Dim {
  if (typeof dim === 'string') return bound.get(dim) ?? dim;
  return dim === null && axis === 0 ? 1 : dim;
}

function scalarOf(dtype: string, rank: number, value: number): Tensor {
  const dims = new Array<number>(rank).fill(1);
  if (dtype === 'int64') return Tensor.int64(dims, [value]);
  if (dtype === 'float32') return Tensor.float32(dims, [value]);
  if (dtype === 'int32') return Tensor.of('int32', dims, Int32Array.of(value));
  if (dtype === 'bool') return Tensor.of('bool', dims, Uint8Array.of(value));
  throw fail('EDGE_UNSUPPORTED', `a settled input of type ${dtype}`);
}
