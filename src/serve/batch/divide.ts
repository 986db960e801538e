import { fail } from '../../base/index.ts';
import { byteLengthOf, sizeOf, Tensor } from '../../graph/index.ts';
import type { Fetches, Port } from '../../run/index.ts';
import { takeRows } from '../../staged/index.ts';

/** Where the samples lie in the outputs; an output that is absent here is everybody's. */
export type OutputAxes = ReadonlyMap<string, number>;

/**
 * The axes of the samples in the outputs: the one that bears the name of the samples in the inputs, else a first one that is open. A first axis of
 * a fixed size is none.
 */
export function outputAxes(
  inputs: readonly Port[],
  outputs: readonly Port[],
  axes: Readonly<Record<string, number>>,
): OutputAxes {
  const names = new Set(
    inputs.flatMap(({ name, shape }) => {
      const dim = axes[name] === undefined ? undefined : shape?.[axes[name]];
      return typeof dim === 'string' ? [dim] : [];
    }),
  );
  const found = new Map<string, number>();
  for (const { name, shape } of outputs) {
    const named = shape?.findIndex((dim) => typeof dim === 'string' && names.has(dim)) ?? -1;
    if (named >= 0) found.set(name, named);
    else if (shape === undefined || (shape.length > 0 && typeof shape[0] !== 'number')) found.set(name, 0);
  }
  return found;
}

/**
 * Each request's rows of the outputs of a batch: views of it where the samples are the first axis. Throws RUNTIME_FAILED where an output has not
 * a row for each sample: then the model cannot be batched.
 */
export function divide(
  fetches: Fetches,
  axes: OutputAxes,
  samples: number,
  parts: readonly { readonly row: number; readonly samples: number }[],
): Fetches[] {
  const divided: Fetches[] = parts.map(() => ({}));
  for (const [name, tensor] of Object.entries(fetches)) {
    const axis = axes.get(name);
    if (axis === undefined || parts.length === 1) {
      for (const fetches of divided) fetches[name] = tensor;
      continue;
    }
    if (tensor.dims[axis] !== samples) {
      throw fail(
        'RUNTIME_FAILED',
        `output ${name} is [${tensor.dims}] for ${samples} samples: it cannot be divided`,
        {
          output: name,
          undivided: true,
        },
      );
    }
    for (const [i, part] of parts.entries()) divided[i]![name] = rowsOf(tensor, axis, part.row, part.samples);
  }
  return divided;
}

function rowsOf(tensor: Tensor, axis: number, row: number, samples: number): Tensor {
  const { dtype, dims } = tensor;
  if (dtype === 'string' || sizeOf(dims.slice(0, axis)) !== 1) {
    return takeRows(
      tensor,
      Array.from({ length: samples }, (_, i) => row + i),
      axis,
    );
  }
  const width = byteLengthOf(dtype, sizeOf(dims.slice(axis + 1)));
  return Tensor.ofBytes(
    dtype,
    dims.with(axis, samples),
    tensor.bytes().subarray(row * width, (row + samples) * width),
  );
}

/** Tensors one after the other along an axis. */
export function concatenate(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0]!;
  if (tensors.length === 1) return first;
  const samples = tensors.reduce((sum, { dims }) => sum + dims[axis]!, 0);
  const dims = first.dims.with(axis, samples);
  const outer = sizeOf(dims.slice(0, axis));
  if (first.dtype === 'string') {
    const strings: string[] = [];
    for (let o = 0; o < outer; o++) {
      for (const tensor of tensors) {
        const width = tensor.size / outer;
        for (let i = 0; i < width; i++) strings.push(tensor.strings()[o * width + i]!);
      }
    }
    return Tensor.ofStrings(dims, strings);
  }
  const bytes = new Uint8Array(byteLengthOf(first.dtype, sizeOf(dims)));
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const tensor of tensors) {
      const width = tensor.byteLength / outer;
      bytes.set(tensor.bytes().subarray(o * width, (o + 1) * width), to);
      to += width;
    }
  }
  return Tensor.ofBytes(first.dtype, dims, bytes);
}
