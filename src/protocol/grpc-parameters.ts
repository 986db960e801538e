import { create } from '@bufbuild/protobuf';
import { fail } from '../base/index.ts';
import type { Blame } from './blame.ts';
import { shown } from './datatypes.ts';
import type { Parameters } from './parameters.ts';
import { type InferParameter, InferParameterSchema } from './wire/open_inference_grpc_pb.ts';

/** Parameters of a gRPC message. Throws `blame` where one has no value. */
export function parametersOfGrpc(
  parameters: Readonly<Record<string, InferParameter>>,
  where: string,
  blame: Blame,
): Parameters {
  const read = Object.entries(parameters).map(([name, { parameterChoice }]) => {
    const { value } = parameterChoice;
    if (value === undefined) throw fail(blame, `${where}: parameter ${shown(name)} has no value`);
    if (typeof value !== 'bigint') return [name, value] as const;
    return [name, Number.isSafeInteger(Number(value)) ? Number(value) : String(value)] as const;
  });
  return Object.fromEntries(read);
}

/** The other way: whole numbers as int64, others as double. */
export function parametersToGrpc(parameters: Parameters = {}): Record<string, InferParameter> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [
      name,
      create(InferParameterSchema, { parameterChoice: choiceOf(value) }),
    ]),
  );
}

function choiceOf(value: string | number | boolean): InferParameter['parameterChoice'] {
  if (typeof value === 'string') return { case: 'stringParam', value };
  if (typeof value === 'boolean') return { case: 'boolParam', value };
  return Number.isSafeInteger(value)
    ? { case: 'int64Param', value: BigInt(value) }
    : { case: 'doubleParam', value };
}
