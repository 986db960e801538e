import type { Shape } from '../../graph/index.ts';
import type { Port } from '../../run/index.ts';

/**
 * One input of a task, such as a port of a Session: float32 for numbers, int64 or int32 for ids. The batch is the first
 * dimension, whatever it is called (a symbol, null or a number); all others are numbers.
 */
export interface TaskInput extends Port {
  /** Ids run from 0 to `vocabulary` - 1. Inputs of whole numbers need it. */
  readonly vocabulary?: number;
}

/** What an output says: logits over its last dimension, logits of yes or no each, or plain numbers. */
export type OutputKind = 'classes' | 'binary' | 'regression';

/** One output of a task, float32; its shape as that of an input. */
export interface TaskOutput extends Port {
  readonly kind: OutputKind;
}

/** What a model is to read and to answer, before there is one. Several outputs share the trunk and get a head each. */
export interface Task {
  readonly inputs: readonly TaskInput[];
  readonly outputs: readonly TaskOutput[];
}

/** The shape of one sample. Only for tasks that `whyNoTask` found nothing wrong with. */
export function sampleDims({ shape }: Pick<TaskInput, 'shape'>): readonly number[] {
  return (shape ?? []).slice(1) as readonly number[];
}

/** What is wrong with a task whatever architecture is asked, or undefined. */
export function whyNoTask({ inputs, outputs }: Task): string | undefined {
  if (inputs.length === 0 || outputs.length === 0) return 'a task needs an input and an output';
  const names = [...inputs, ...outputs].map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `two inputs or outputs are named "${twice}"`;
  for (const input of inputs) {
    const why = whyNoInput(input);
    if (why !== undefined) return `input "${input.name}" ${why}`;
  }
  for (const output of outputs) {
    const why = whyNoOutput(output);
    if (why !== undefined) return `output "${output.name}" ${why}`;
  }
  return undefined;
}

function whyNoInput({ dtype, shape, vocabulary }: TaskInput): string | undefined {
  if (!['float32', 'int64', 'int32'].includes(dtype)) {
    return `is ${dtype}; float32 is read as numbers, int64 and int32 as ids`;
  }
  if (dtype !== 'float32' && !isSize(vocabulary)) {
    return `holds ids (${dtype}), and its vocabulary is not given`;
  }
  return whyNoShape(shape);
}

function whyNoOutput({ dtype, shape, kind }: TaskOutput): string | undefined {
  if (dtype !== 'float32') return `is ${dtype}; models answer with float32`;
  if (kind === 'classes' && shape !== undefined && (shape.length < 2 || shape.at(-1) === 1)) {
    return `is ${shapeText(shape)}; classes stand in the last dimension, two or more`;
  }
  return whyNoShape(shape);
}

function whyNoShape(shape: Shape): string | undefined {
  if (shape === undefined || shape.length === 0) return 'has no batch dimension';
  if (shape.slice(1).every(isSize)) return undefined;
  return `is ${shapeText(shape)}; all dimensions but the batch must be known`;
}

function isSize(size: unknown): boolean {
  return Number.isSafeInteger(size) && Number(size) > 0;
}

/** A shape as people read it. */
export function shapeText(shape: Shape): string {
  return `[${shape?.map((dim) => dim ?? '?').join(', ') ?? 'of unknown rank'}]`;
}
