import { fail } from '../../base/index.ts';
import { labelOf, type Node } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';

/**
 * Writes the plain operators that a node stands for, and returns a value for each of its outputs (those past the end are
 * not made). The composer writes to where the node stood. Throws TRAIN_NO_GRADIENT for a form that it does not know.
 */
export type Expansion = (node: Node, to: Composer) => readonly string[];

/** A form that is not expanded. Throws TRAIN_NO_GRADIENT. */
export function refuse(node: Node, why: string): never {
  throw fail('TRAIN_NO_GRADIENT', `${node.op} ${why} (${labelOf(node)})`);
}

/** Refuses a node with one of these inputs. */
export function without(node: Node, inputs: Readonly<Record<number, string>>): void {
  for (const [i, what] of Object.entries(inputs))
    if ((node.inputs[Number(i)] ?? '') !== '') refuse(node, `with ${what}`);
}
