import { attr, sizeOf } from '../../graph/index.ts';
import { type Fill, xavier } from './init.ts';
import { type Features, linear } from './linear.ts';
import type { Net } from './net.ts';
import { sampleDims, type Task, type TaskOutput } from './task.ts';

/** What ends a model: the trunk's features, and how the weights of the heads begin (default: Xavier). */
export interface Trunk extends Features {
  readonly head?: Fill;
}

/**
 * One fully connected layer per output, in the output's shape. With `probabilities` Softmax stands after classes and
 * Sigmoid after yes or no; without, the outputs are logits.
 */
export function addHeads(net: Net, trunk: Trunk, { outputs }: Task, probabilities: boolean): void {
  for (const output of outputs) {
    const name = outputs.length === 1 ? 'head' : `head.${output.name}`;
    const dims = sampleDims(output);
    const last = probabilities ? lastOf(output) : undefined;
    const flat = dims.length === 1;
    const size = sizeOf(dims);
    const fill = trunk.head ?? xavier(trunk.size, size);
    const ends = flat && last === undefined;
    let { value } = linear(net, name, trunk, size, fill, ends ? output.name : undefined);
    if (!flat) {
      const shape = net.ints(`${name}.shape`, [-1, ...dims]);
      value = net.op('Reshape', `${name}.shaped`, [value, shape], {}, last ? undefined : output.name);
    }
    if (last === 'Softmax') net.op(last, `${name}.softmax`, [value], { axis: attr.int(-1) }, output.name);
    else if (last === 'Sigmoid') net.op(last, `${name}.sigmoid`, [value], {}, output.name);
  }
}

function lastOf({ kind }: TaskOutput): 'Softmax' | 'Sigmoid' | undefined {
  return kind === 'classes' ? 'Softmax' : kind === 'binary' ? 'Sigmoid' : undefined;
}
