import { fail } from '../base/index.ts';
import type { DType, Shape } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { datatypeOf, dtypeOf, shown } from './datatypes.ts';
import { asObject } from './infer-request.ts';

/** An input or output as metadata tells of it: the form of a port of a session. */
export interface TensorMetadata {
  readonly name: string;
  readonly dtype: DType;
  /** null: any size. */
  readonly shape: readonly (number | null)[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

/** What a server says in `extensions` when it takes and gives binary tensors. */
export const BINARY_EXTENSION = 'binary_tensor_data';

/** Name, datatype and shape of a port in the protocol's words; -1 is any size. Throws `blame` for dtypes that it does not carry. */
export function tensorMetadata(
  { name, dtype, shape }: { readonly name: string; readonly dtype: DType; readonly shape: Shape },
  blame: Blame,
): { readonly name: string; readonly datatype: string; readonly shape: readonly number[] } {
  const datatype = datatypeOf(dtype);
  if (datatype === undefined) throw fail(blame, `${name} is ${dtype}, which the protocol does not carry`);
  return { name, datatype, shape: (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : -1)) };
}

/** Reads the JSON of a model's metadata. Throws REMOTE_FAILED. */
export function readModelMetadata(value: unknown): ModelMetadata {
  const blame = 'REMOTE_FAILED';
  const json = asObject(value, 'the metadata of the model', blame);
  const tensors = (list: 'inputs' | 'outputs') => {
    const given = json[list];
    if (!Array.isArray(given)) throw fail(blame, `the metadata of the model has no list of ${list}`);
    return given.map((one, i) => {
      const { name, datatype, shape } = asObject(one, `${list}[${i}]`, blame);
      if (typeof name !== 'string') throw fail(blame, `${list}[${i}] needs a name`);
      if (!Array.isArray(shape)) throw fail(blame, `${name} needs a shape`);
      return portOf(name, datatype, shape);
    });
  };
  return {
    name: String(json.name ?? ''),
    versions: Array.isArray(json.versions) ? json.versions.map(String) : [],
    platform: String(json.platform ?? ''),
    inputs: tensors('inputs'),
    outputs: tensors('outputs'),
  };
}

/** Throws REMOTE_FAILED. */
export function portOf(name: string, datatype: unknown, shape: readonly unknown[]): TensorMetadata {
  const dims = shape.map((dim) => {
    if (!Number.isSafeInteger(dim)) throw fail('REMOTE_FAILED', `${name} has the dimension ${shown(dim)}`);
    return (dim as number) < 0 ? null : (dim as number);
  });
  return { name, dtype: dtypeOf(datatype, name, 'REMOTE_FAILED'), shape: dims };
}

/** Reads the JSON of a server's metadata. Throws REMOTE_FAILED. */
export function readServerMetadata(value: unknown): ServerMetadata {
  const json = asObject(value, 'the metadata of the server', 'REMOTE_FAILED');
  return {
    name: String(json.name ?? ''),
    version: String(json.version ?? ''),
    extensions: Array.isArray(json.extensions) ? json.extensions.map(String) : [],
  };
}
