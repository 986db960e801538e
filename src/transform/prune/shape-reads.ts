import { intOf, type Node, type Tensor } from '../../graph/index.ts';
import type { Axis } from './terms.ts';

/** For each element of a list computed from shapes: the axes whose sizes it depends on. */
export type Reads = readonly (readonly Axis[])[];

interface Reading {
  readonly reads: Map<string, Reads>;
  axesOf(name: string): readonly Axis[] | undefined;
  constant(name: string): Tensor | undefined;
  pin(axis: Axis, why: string): void;
}

/**
 * Sizes that a graph takes from the shapes of its values follow the cut by themselves where they end as the target of a Reshape
 * (which is written anew) or of a Resize. Anywhere else (the root of a size as a factor, say) a cut would change the
 * arithmetic: those axes are pinned.
 */
export function readsThrough(node: Node, reading: Reading): void {
  const { reads } = reading;
  if (node.op === 'Shape' && node.domain === '') {
    const axes = reading.axesOf(node.inputs[0]!) ?? [];
    const read = axes.map((axis) => [axis]);
    const end = intOf(node, 'end', axes.length);
    reads.set(node.outputs[0]!, read.slice(intOf(node, 'start', 0), end));
    return;
  }
  if (node.op === 'Size')
    for (const axis of reading.axesOf(node.inputs[0]!) ?? []) reading.pin(axis, 'is counted');
  const given = node.inputs.map((name) => reads.get(name));
  if (given.every((read) => read === undefined)) return;
  const output = node.outputs[0] ?? '';
  const first = given[0];
  const all = given.flatMap((read) => read?.flat() ?? []);
  switch (node.op) {
    case 'Reshape':
    case 'Resize':
      if (first === undefined) return;
      break;
    case 'Gather':
    case 'Slice': {
      const picked = first && pickedBy(node, first, (name) => reading.constant(name));
      if (picked !== undefined) {
        reads.set(output, picked);
        return;
      }
      break;
    }
    case 'Concat': {
      const parts = node.inputs.map(
        (name, i): Reads | undefined =>
          given[i] ??
          reading
            .constant(name)
            ?.numbers()
            .map(() => []),
      );
      if (parts.some((part) => part === undefined)) break;
      reads.set(
        output,
        parts.flatMap((part) => part ?? []),
      );
      return;
    }
    case 'Add':
    case 'Sub':
    case 'Mul':
    case 'Div': {
      // The mark keeps what is computed apart from the size itself.
      const count = Math.max(...given.map((read) => read?.length ?? 1));
      reads.set(
        output,
        Array.from({ length: count }, () => [...all, `is computed by ${node.op}`]),
      );
      return;
    }
    case 'Identity':
    case 'Squeeze':
    case 'Unsqueeze':
      if (first !== undefined) reads.set(output, first);
      return;
    case 'Cast':
      // To a float it is a number like any other.
      if ([6, 7].includes(intOf(node, 'to', 0))) {
        reads.set(output, first!);
        return;
      }
      break;
    default:
      break;
  }
  for (const axis of all) reading.pin(axis, `has its size read by ${node.op} (${node.name || output})`);
}

/** The elements that a Gather or a Slice with constant positions picks from a list. */
function pickedBy(
  node: Node,
  list: Reads,
  constant: (name: string) => Tensor | undefined,
): Reads | undefined {
  const at = (name: string | undefined) => (name ? constant(name)?.numbers() : undefined);
  if (node.op === 'Gather') return at(node.inputs[1])?.map((i) => list.at(i) ?? []);
  const attribute = (name: string) => {
    const value = node.attributes.get(name)?.value;
    return Array.isArray(value) ? Number(value[0]) : undefined;
  };
  const start = attribute('starts') ?? at(node.inputs[1])?.[0];
  const end = attribute('ends') ?? at(node.inputs[2])?.[0];
  const step = node.inputs[4] ? at(node.inputs[4])?.[0] : 1;
  return start === undefined || end === undefined || step !== 1 ? undefined : list.slice(start, end);
}
