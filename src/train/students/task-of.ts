import { fail } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { indexGraph, inferShapes, isFloat, type Model } from '../../graph/index.ts';
import type { OutputKind, Task, TaskInput, TaskOutput } from '../architectures/task.ts';
import { tailOf } from '../losses/scores.ts';

/**
 * What a teacher reads and answers, so that a student can be made for it: shapes from its graph or, where that is open, from the
 * data; what an output says from the operator that ends it, else from the labels. Ids count as many as the table that the teacher
 * looks them up in, else as the largest of the data tells. Throws STUDENT_IMPOSSIBLE.
 */
export async function taskOf(teacher: Model, data: Dataset, signal?: AbortSignal): Promise<Task> {
  const { graph } = teacher;
  const inference = inferShapes(teacher, { strict: false });
  const inputs: TaskInput[] = [];
  for (const { name, type } of graph.inputs) {
    if (graph.initializers.has(name)) continue;
    if (type.kind !== 'tensor') throw fail('STUDENT_IMPOSSIBLE', `input "${name}" is no tensor`);
    const field = data.fields.find((one) => one.name === name) ?? data.fields[0]!;
    const open = type.shape === undefined || type.shape.slice(1).some((dim) => typeof dim !== 'number');
    const shape = open ? ['N', ...field.dims] : ['N', ...type.shape.slice(1)];
    const ids = !isFloat(type.dtype);
    const vocabulary = ids
      ? (tableOf(teacher, name) ?? (await largest(data, field.name, signal)) + 1)
      : undefined;
    inputs.push({ name, dtype: type.dtype, shape, ...(ids && { vocabulary }) });
  }
  const outputs = graph.outputs.map(({ name }): TaskOutput => {
    const shape = inference.get(name)?.shape;
    if (shape === undefined || shape.slice(1).some((dim) => typeof dim !== 'number')) {
      throw fail(
        'STUDENT_IMPOSSIBLE',
        `output "${name}" of the teacher is [${shape ?? '...'}]: its size must be known`,
      );
    }
    return {
      name,
      dtype: 'float32',
      shape: ['N', ...shape.slice(1)],
      kind: kindOf(teacher, name, shape.length, data),
    };
  });
  return { inputs, outputs };
}

function kindOf(teacher: Model, output: string, rank: number, { labels }: Dataset): OutputKind {
  const { kind } = tailOf(teacher, output);
  if (kind === 'softmax') return 'classes';
  if (kind === 'sigmoid') return 'binary';
  const numbered = labels !== undefined && !isFloat(labels.dtype) && labels.dims.length === rank - 2;
  return numbered ? 'classes' : 'regression';
}

/** Rows of the table that an input of ids is looked up in. */
function tableOf({ graph }: Model, input: string): number | undefined {
  const readers = indexGraph(graph).consumers.get(input) ?? [];
  for (const node of readers) {
    const [table = '', ids] = node.inputs;
    if (node.op === 'Gather' && ids === input) return graph.initializers.get(table)?.dims[0];
  }
  return undefined;
}

async function largest(data: Dataset, field: string, signal?: AbortSignal): Promise<number> {
  let most = 0;
  for await (const { feeds } of data.read({ fields: [field], batch: 1024, signal })) {
    for (const value of feeds[field]!.numbers()) most = Math.max(most, value);
  }
  return most;
}
