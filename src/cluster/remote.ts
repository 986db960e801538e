import { fail, messageOf } from '../base/index.ts';
import type { Feeds, Fetches, Port, RunOptions, Session } from '../run/index.ts';
import { dtypeOfProtocol, fromJson, type JsonTensor, toJson } from './protocol.ts';

interface Metadata {
  readonly name: string;
  readonly platform?: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
  }[];
  readonly outputs: Metadata['inputs'];
}

/**
 * A model that a server answers for, by the Open Inference Protocol v2 over REST: `url` is that of the model, such as
 * http://host:8000/v2/models/NAME. Tensors travel as JSON. Throws USAGE_BAD_OPTION, REMOTE_FAILED.
 */
export async function openRemote(url: string): Promise<Session> {
  if (!/^https?:\/\/.+\/v2\/models\/[^/]+/.test(url)) {
    throw fail('USAGE_BAD_OPTION', `${url} is not the URL of a model`, {
      hint: 'Give http://host:port/v2/models/NAME.',
    });
  }
  const base = url.replace(/\/+$/, '');
  const metadata = (await ask(base)) as Metadata;
  if (!Array.isArray(metadata?.inputs) || !Array.isArray(metadata.outputs)) {
    throw fail('REMOTE_FAILED', `${base} does not describe its inputs and outputs`);
  }
  return new Remote(base, metadata);
}

class Remote implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #base: string;
  readonly #closing = new AbortController();

  constructor(base: string, metadata: Metadata) {
    this.#base = base;
    this.inputs = metadata.inputs.map(portOf);
    this.outputs = metadata.outputs.map(portOf);
    this.metadata = new Map([['runtime', `${metadata.platform ?? 'a server'} at ${new URL(base).host}`]]);
  }

  async run(feeds: Feeds, { outputs, signal }: RunOptions = {}): Promise<Fetches> {
    if (this.#closing.signal.aborted) throw fail('SESSION_CLOSED', 'it was disposed of before this call');
    const missing = this.inputs.find(({ name }) => feeds[name] === undefined);
    if (missing !== undefined) throw fail('FEED_MISMATCH', `input ${missing.name} is missing`);
    const body = {
      inputs: Object.entries(feeds).map(([name, tensor]) => toJson(name, tensor)),
      ...(outputs !== undefined && { outputs: outputs.map((name) => ({ name })) }),
    };
    const signals = [this.#closing.signal, ...(signal === undefined ? [] : [signal])];
    const answer = (await ask(`${this.#base}/infer`, body, AbortSignal.any(signals))) as {
      outputs?: JsonTensor[];
    };
    const found = (answer?.outputs ?? []).map((tensor) => [tensor.name, fromJson(tensor)] as const);
    const fetches = Object.fromEntries(found);
    const lacking = (outputs ?? this.outputs.map(({ name }) => name)).find(
      (name) => fetches[name] === undefined,
    );
    if (lacking !== undefined) throw fail('REMOTE_FAILED', `${this.#base} did not answer output ${lacking}`);
    return fetches;
  }

  async dispose(): Promise<void> {
    this.#closing.abort(fail('SESSION_CLOSED', 'it was disposed of while this call waited'));
  }
}

function portOf({ name, datatype, shape }: Metadata['inputs'][number]): Port {
  return { name, dtype: dtypeOfProtocol(datatype), shape: shape.map((dim) => (dim < 0 ? null : dim)) };
}

async function ask(url: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      signal,
      ...(body !== undefined && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    text = await response.text();
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    const why =
      cause instanceof Error && cause.cause !== undefined ? messageOf(cause.cause) : messageOf(cause);
    throw fail('REMOTE_FAILED', `${url}: ${why}`, { url }, cause);
  }
  if (!response.ok)
    throw fail('REMOTE_FAILED', `${url} answered ${response.status}: ${text.slice(0, 200)}`, { url });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fail('REMOTE_FAILED', `${url} answered no JSON`, { url }, cause);
  }
}
