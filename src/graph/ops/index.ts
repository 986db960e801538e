import type { Node } from '../model.ts';
import { ATTENTION } from './attention.ts';
import { BINARY } from './binary.ts';
import { CLASSICAL } from './classical.ts';
import { CONSTANT } from './constant.ts';
import { CONTRIB } from './contrib.ts';
import { CONTROL } from './control.ts';
import { CONV } from './conv.ts';
import { EINSUM } from './einsum.ts';
import { GATHER } from './gather.ts';
import { JOIN } from './join.ts';
import { MATMUL } from './matmul.ts';
import { NORMALIZE } from './normalize.ts';
import type { OpSpec } from './op.ts';
import { POOL } from './pool.ts';
import { QLINEAR } from './qlinear.ts';
import { QUANTIZE } from './quantize.ts';
import { REARRANGE } from './rearrange.ts';
import { RECURRENT } from './recurrent.ts';
import { REDUCE } from './reduce.ts';
import { RESHAPE } from './reshape.ts';
import { RESIZE } from './resize.ts';
import { SELECT } from './select.ts';
import { SEQUENCE } from './sequence.ts';
import { SIGNAL } from './signal.ts';
import { SLICE } from './slice.ts';
import { TEXT } from './text.ts';
import { UNARY } from './unary.ts';

/** Every operator that has a rule; those of other domains than ai.onnx as "domain:op". */
export const OPS = {
  ...UNARY,
  ...BINARY,
  ...REDUCE,
  ...MATMUL,
  ...EINSUM,
  ...CONV,
  ...POOL,
  ...NORMALIZE,
  ...ATTENTION,
  ...RESHAPE,
  ...REARRANGE,
  ...JOIN,
  ...SLICE,
  ...GATHER,
  ...CONSTANT,
  ...RESIZE,
  ...RECURRENT,
  ...CONTROL,
  ...QUANTIZE,
  ...SELECT,
  ...SIGNAL,
  ...SEQUENCE,
  ...TEXT,
  ...CONTRIB,
  ...QLINEAR,
  ...CLASSICAL,
} as const satisfies Record<string, OpSpec>;

export type OpName = keyof typeof OPS;

const BY_NAME = new Map<string, OpSpec>(Object.entries(OPS));

/** The key of a node's op in OPS and in the tables of other rooms. */
export function opKey(node: Pick<Node, 'domain' | 'op'>): string {
  return node.domain === '' ? node.op : `${node.domain}:${node.op}`;
}

/** What is known of a node's op, or undefined. */
export function specOf(node: Pick<Node, 'domain' | 'op'>): OpSpec | undefined {
  return BY_NAME.get(opKey(node));
}
