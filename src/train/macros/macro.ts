import type { Known, Node } from '../../graph/index.ts';
import type { Composer } from '../composer.ts';
import type { GradientRule } from '../gradients/rule.ts';

/** The domain of macros: operators that stand in a graph only while its gradient is made. */
export const MACRO_DOMAIN = 'modicum';

/**
 * A node whose gradient needs what its forward pass knew, and which plain operators would hide. It is one node while the gradient is
 * made, and plain operators afterwards.
 */
export interface Macro {
  /** What its outputs are. */
  infer(node: Node, to: Composer): readonly Known[];
  readonly gradient: GradientRule;
  /** Writes it in plain operators; returns the values that stand for its outputs. */
  lower(node: Node, to: Composer): readonly string[];
}
