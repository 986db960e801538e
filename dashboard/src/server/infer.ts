import { ask } from './ask.ts';
import { bytesOf, sizeOf, type Tensor, valuesIn } from './tensors.ts';

export interface Inferred {
  readonly outputs: readonly Tensor[];
  /** ms between asking and the last byte, as the browser sees it. */
  readonly ms: number;
  /** What the answer has cost: the headers x-modicum-*, without that. */
  readonly cost: ReadonlyMap<string, string>;
}

interface OutputHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly (number | string | boolean | readonly unknown[])[];
  readonly parameters?: { readonly binary_data_size?: number };
}

const HEAD_LENGTH = 'inference-header-content-length';
const COST = 'x-modicum-';

/** Asks a model, tensors in the binary form both ways. Throws what `ask` throws. */
export async function infer(
  path: string,
  inputs: readonly Tensor[],
  signal?: AbortSignal,
): Promise<Inferred> {
  const parts = inputs.map(bytesOf);
  const head = {
    inputs: inputs.map(({ name, datatype, shape }, i) => {
      return { name, datatype, shape, parameters: { binary_data_size: parts[i]!.length } };
    }),
    parameters: { binary_data_output: true },
  };
  const json = new TextEncoder().encode(JSON.stringify(head));
  const start = performance.now();
  const response = await ask(`${path}/infer`, {
    method: 'POST',
    body: new Blob([json, ...parts]),
    headers: { 'content-type': 'application/octet-stream', [HEAD_LENGTH]: String(json.length) },
    signal,
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const ms = performance.now() - start;
  const length = Number(response.headers.get(HEAD_LENGTH) ?? bytes.length);
  const answer = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))) as {
    outputs: readonly OutputHead[];
  };
  const cost = new Map<string, string>();
  for (const [name, value] of response.headers) {
    if (name.startsWith(COST)) cost.set(name.slice(COST.length), value);
  }
  return {
    outputs: outputsIn(answer.outputs, bytes.subarray(length)),
    ms,
    cost,
  };
}

function outputsIn(heads: readonly OutputHead[], bytes: Uint8Array): Tensor[] {
  let at = 0;
  return heads.map(({ name, datatype, shape, data, parameters }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined) return { name, datatype, shape, data: flat(data ?? []) };
    const part = bytes.subarray(at, at + size);
    at += size;
    return { name, datatype, shape, data: valuesIn(datatype, sizeOf(shape), part) };
  });
}

function flat(data: readonly unknown[]): number[] | string[] {
  const values = data.flat(Number.POSITIVE_INFINITY as 1);
  return values.map((value) => (typeof value === 'boolean' ? Number(value) : value)) as number[] | string[];
}
