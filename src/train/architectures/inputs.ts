import { attr, sizeOf } from '../../graph/index.ts';
import { type Fill, normal } from './init.ts';
import type { Features } from './linear.ts';
import type { Net } from './net.ts';
import { sampleDims, shapeText, type Task, type TaskInput } from './task.ts';

/** A value of shape [N, channels, height, width]. */
export interface Picture {
  readonly value: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Why a task has no single picture to read, or true. */
export function readsPicture({ inputs }: Task): true | string {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) return `it reads one picture, not ${inputs.length} inputs`;
  if (input.dtype !== 'float32') return `it reads a float32 picture; "${input.name}" is ${input.dtype}`;
  const rank = input.shape?.length;
  return (
    rank === 3 ||
    rank === 4 ||
    `it reads a picture [N, C, H, W] or [N, H, W]; "${input.name}" is ${shapeText(input.shape)}`
  );
}

/** The picture of a task that has one: [N, H, W], such as a spectrogram [N, T, F], is one of one channel. */
export function pictureOf(net: Net, { inputs }: Task): Picture {
  const input = inputs[0]!;
  const dims = sampleDims(input);
  const [channels, height, width] = (dims.length === 2 ? [1, ...dims] : dims) as [number, number, number];
  const value =
    dims.length === 3
      ? input.name
      : net.op('Unsqueeze', 'input.channel', [input.name, net.ints('input.channel.axes', [1])]);
  return { value, channels, height, width };
}

/** A float input as [N, size], or an input of ids as the mean of their rows in a table of its own. */
export function featuresOf(
  net: Net,
  input: TaskInput,
  embedding: number,
  fill: Fill = normal(0.05),
): Features {
  const dims = sampleDims(input);
  if (input.dtype === 'float32') {
    if (dims.length === 1) return { value: input.name, size: dims[0]! };
    const value =
      dims.length === 0
        ? net.op('Unsqueeze', `${input.name}.column`, [input.name, net.ints('column.axes', [1])])
        : net.op('Flatten', `${input.name}.flat`, [input.name], { axis: attr.int(1) });
    return { value, size: sizeOf(dims) };
  }
  const name = `embed.${input.name}`;
  const table = net.weight(`${name}.weight`, [input.vocabulary!, embedding], fill);
  const rows = net.op('Gather', name, [table, input.name], { axis: attr.int(0) });
  if (dims.length === 0) return { value: rows, size: embedding };
  const count = sizeOf(dims);
  const shape = count === 1 ? [-1, embedding] : [-1, count, embedding];
  const flat =
    dims.length === 1 && count > 1
      ? rows
      : net.op('Reshape', `${name}.rows`, [rows, net.ints(`${name}.shape`, shape)]);
  if (count === 1) return { value: flat, size: embedding };
  const value = net.op('ReduceMean', `${name}.mean`, [flat], { axes: attr.ints([1]), keepdims: attr.int(0) });
  return { value, size: embedding };
}
