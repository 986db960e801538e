import { fail } from '../base/index.ts';
import {
  type ClientOptions,
  GrpcInferenceClient,
  InferenceClient,
  type InferenceService,
  type ModelMetadata,
  type RestClientOptions,
  type TensorMetadata,
} from '../client/index.ts';
import { BINARY_EXTENSION } from '../protocol/index.ts';
import type { Feeds, Fetches, Port, RunOptions, Session } from '../run/index.ts';
import { httpTransport } from './http-transport.ts';

const REST = /^(https?:\/\/.+?)\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/*$/;
const GRPC = /^(grpcs?:\/\/[^/]+)\/([^/]+)(?:\/versions\/([^/]+))?\/*$/;

/**
 * A model that a server answers for, by the Open Inference Protocol v2: `url` is that of the model, http://host:8000/v2/models/NAME or
 * grpc://host:8001/NAME, both with /versions/V behind it if one version is meant. Over REST tensors travel in binary form where the server
 * offers it, else as JSON. Calls end by their signal; there is no other deadline unless `timeoutMs` sets one. Throws USAGE_BAD_OPTION,
 * MODEL_UNKNOWN, REMOTE_FAILED and what else a server may say.
 */
export async function openRemote(url: string, options: ClientOptions = {}): Promise<Session> {
  const [, server, model, version] = REST.exec(url) ?? GRPC.exec(url) ?? [];
  if (server === undefined || model === undefined) {
    throw fail('USAGE_BAD_OPTION', `${url} is not the URL of a model`, {
      hint: 'Give http://host:port/v2/models/NAME or grpc://host:port/NAME.',
    });
  }
  const named = { model: decoded(model), version: version === undefined ? undefined : decoded(version) };
  const patient = { timeoutMs: Number.POSITIVE_INFINITY, ...options };
  const way = server.startsWith('grpc') ? undefined : httpTransport(server);
  const client =
    way === undefined
      ? new GrpcInferenceClient(server, patient)
      : await openRest(server, { ...patient, transport: way.transport });
  const close = async () => {
    await client.close();
    way?.close();
  };
  try {
    const metadata = await client.modelMetadata(named.model, { version: named.version });
    return new Remote(client, named, metadata, server, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw fail('USAGE_BAD_OPTION', `"${part}" is no part of a URL`, {}, cause);
  }
}

async function openRest(server: string, options: RestClientOptions): Promise<InferenceService> {
  const plain = new InferenceClient(server, { ...options, binary: false });
  // Not all servers describe themselves; whether this one is there at all, the model's metadata will show.
  const extensions = await plain.serverMetadata().then(
    (metadata) => metadata.extensions,
    (): readonly string[] => [],
  );
  if (!extensions.includes(BINARY_EXTENSION)) return plain;
  await plain.close();
  return new InferenceClient(server, options);
}

interface Named {
  readonly model: string;
  readonly version: string | undefined;
}

class Remote implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #client: InferenceService;
  readonly #named: Named;
  readonly #close: () => Promise<void>;

  constructor(
    client: InferenceService,
    named: Named,
    { inputs, outputs, platform }: ModelMetadata,
    server: string,
    close: () => Promise<void>,
  ) {
    const port = ({ name, dtype, shape }: TensorMetadata): Port => ({ name, dtype, shape });
    this.inputs = inputs.map(port);
    this.outputs = outputs.map(port);
    this.metadata = new Map([['runtime', `${platform || 'a server'} at ${new URL(server).host}`]]);
    this.#client = client;
    this.#named = named;
    this.#close = close;
  }

  async run(feeds: Feeds, { outputs, signal }: RunOptions = {}): Promise<Fetches> {
    const missing = this.inputs.find(({ name }) => feeds[name] === undefined);
    if (missing !== undefined) throw fail('FEED_MISMATCH', `input ${missing.name} is missing`);
    const { model, version } = this.#named;
    const answer = await this.#client.infer(model, feeds, { version, outputs, signal });
    const lacking = this.outputs.find(({ name }) => !Object.hasOwn(answer.outputs, name));
    if (outputs === undefined && lacking !== undefined) {
      throw fail('REMOTE_FAILED', `the server did not answer output ${lacking.name}`);
    }
    return answer.outputs;
  }

  dispose(): Promise<void> {
    return this.#close();
  }
}
