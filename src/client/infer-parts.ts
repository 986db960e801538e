import { fail } from '../base/index.ts';
import {
  askingParameters,
  type CostOfAnswer,
  type InferResponse,
  type NamedTensor,
  type Parameters,
} from '../protocol/index.ts';
import type { CallScope } from './call-scope.ts';
import { type ModelType, type OutputsOf, type TensorParts, tensorOf } from './model-type.ts';
import type { InferOptions, Inferred } from './options.ts';

/** The inputs as a list. Throws FEED_MISMATCH. */
export function namedInputs(inputs: object): NamedTensor[] {
  return Object.entries(inputs as Record<string, TensorParts>).map(([name, given]) => ({
    name,
    tensor: tensorOf(name, given),
  }));
}

/** Parameters of a request, with what is left of its deadline now. */
export function parametersOf<M extends ModelType>(options: InferOptions<M>, scope: CallScope): Parameters {
  const { priority, sequence } = options;
  return {
    ...options.parameters,
    ...askingParameters({
      priority,
      ...(scope.asked && { timeoutUs: scope.remainingMs() * 1000 }),
      ...(sequence !== undefined && {
        sequence: { id: sequence.id, start: sequence.start ?? false, end: sequence.end ?? false },
      }),
    }),
  };
}

/** What the caller gets. Throws REMOTE_FAILED where an output is missing that was asked for. */
export function inferred<M extends ModelType>(
  answer: InferResponse,
  asked: readonly string[] | undefined,
  cost: CostOfAnswer,
  tries: number,
): Inferred<M> {
  const outputs = Object.fromEntries(answer.outputs.map(({ name, tensor }) => [name, tensor]));
  const lacking = asked?.find((name) => !Object.hasOwn(outputs, name));
  if (lacking !== undefined) throw fail('REMOTE_FAILED', `the answer lacks output ${lacking}`);
  const { modelName, modelVersion, id, parameters } = answer;
  return { outputs: outputs as OutputsOf<M>, modelName, modelVersion, id, parameters, cost, tries };
}
