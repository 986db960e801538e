import { fail } from '../base/index.ts';
import {
  encodeInferRequest,
  joinChunks,
  type ModelMetadata,
  parseJson,
  readHeaderLength,
  readInferResponse,
  readMeterHeaders,
  readModelMetadata,
  readServerMetadata,
  type ServerMetadata,
} from '../protocol/index.ts';
import { CallScope } from './call-scope.ts';
import { Closing } from './closing.ts';
import { inferred, namedInputs, parametersOf } from './infer-parts.ts';
import type { AnyModel, InputsOf, ModelType } from './model-type.ts';
import type { CallOptions, ClientOptions, InferenceService, InferOptions, Inferred } from './options.ts';
import { callRest, fetchTransport, type RestAnswer, type Transport } from './rest-call.ts';
import { bare, withRetries } from './retry.ts';

export interface RestClientOptions extends ClientOptions {
  /**
   * Tensors as bytes behind the JSON (the binary tensor extension of Triton, KServe and Modicum): tens of times cheaper. Default: true; false for servers
   * that do not name binary_tensor_data among their extensions.
   */
  readonly binary?: boolean;
  /** Headers of every request besides. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How requests travel. Default: fetch. */
  readonly transport?: Transport;
}

/**
 * A client of the Open Inference Protocol v2 over REST, for servers and browsers: it stands on fetch alone.
 * `url` is that of the server, such as http://host:8000. Throws USAGE_BAD_OPTION.
 */
export class InferenceClient implements InferenceService {
  readonly url: string;
  readonly #options: RestClientOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #transport: Transport;
  readonly #closing = new Closing();

  constructor(url: string, options: RestClientOptions = {}) {
    if (!/^https?:\/\/[^/]/.test(url)) {
      throw fail('USAGE_BAD_OPTION', `${url} is not the URL of a server`, { hint: 'Give http://host:port.' });
    }
    this.url = url.replace(/\/+$/, '').replace(/\/v2$/, '');
    this.#options = options;
    this.#transport = options.transport ?? fetchTransport;
    this.#headers = {
      ...options.headers,
      ...(options.key !== undefined && { authorization: `Bearer ${options.key}` }),
    };
  }

  live(options: CallOptions = {}): Promise<boolean> {
    return this.#healthy('health/live', options);
  }

  ready(options: CallOptions = {}): Promise<boolean> {
    return this.#healthy('health/ready', options);
  }

  modelReady(model: string, options: CallOptions = {}): Promise<boolean> {
    return this.#healthy(`${pathOf(model, options)}/ready`, options);
  }

  async serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return readServerMetadata(await this.#json('', options));
  }

  async modelMetadata(model: string, options: CallOptions = {}): Promise<ModelMetadata> {
    return readModelMetadata(await this.#json(pathOf(model, options), options));
  }

  async infer<M extends ModelType = AnyModel>(
    model: string,
    inputs: InputsOf<M>,
    options: InferOptions<M> = {},
  ): Promise<Inferred<M>> {
    const { binary = true } = this.#options;
    const { outputs, id, sequence } = options;
    const tensors = namedInputs(inputs).map((one) => ({ ...one, binary }));
    const url = this.#urlOf(`${pathOf(model, options)}/infer`);
    return this.#within(options, async (scope) => {
      const attempt = () => {
        // Encoded for each try, since less of the deadline is left; the tensors themselves are not copied for it.
        const parameters = {
          ...parametersOf(options, scope),
          ...(binary && { binary_data_output: true }),
        };
        const body = encodeInferRequest({
          inputs: tensors,
          outputs: outputs?.map((name) => ({ name })),
          id,
          parameters,
        });
        const { contentType, headerLength } = body;
        const headers = {
          'content-type': contentType,
          ...(headerLength !== undefined && { [LENGTH_HEADER]: String(headerLength) }),
        };
        return callRest(this.#transport, url, scope, this.#headers, { bytes: joinChunks(body), headers });
      };
      const { value, tries } = await withRetries(attempt, scope, this.#options, sequence === undefined);
      const answer = readInferResponse(value.body, headerLengthOf(value));
      return inferred<M>(
        answer,
        outputs,
        readMeterHeaders((name) => value.headers.get(name)),
        tries,
      );
    });
  }

  /** Ends calls under way with SESSION_CLOSED, and refuses others. */
  async close(): Promise<void> {
    this.#closing.end(fail('SESSION_CLOSED', 'the client was closed'));
  }

  /** Servers answer with a status, and some with JSON that may say false under 200. */
  async #healthy(path: string, options: CallOptions): Promise<boolean> {
    return this.#within(options, async (scope) => {
      try {
        const { body } = await callRest(this.#transport, this.#urlOf(path), scope, this.#headers);
        return !/"(live|ready)"\s*:\s*false/.test(new TextDecoder().decode(body.subarray(0, 10_000)));
      } catch {
        scope.signal.throwIfAborted();
        return false;
      }
    });
  }

  async #json(path: string, options: CallOptions): Promise<unknown> {
    return this.#within(options, async (scope) => {
      const attempt = () => callRest(this.#transport, this.#urlOf(path), scope, this.#headers);
      const { value } = await withRetries(attempt, scope, this.#options, true);
      return parseJson(new TextDecoder().decode(value.body), 'the answer', 'REMOTE_FAILED');
    });
  }

  #urlOf(path: string): string {
    return `${this.url}/v2${path === '' ? '' : `/${path}`}`;
  }

  async #within<T>({ signal, timeoutMs }: CallOptions, run: (scope: CallScope) => Promise<T>): Promise<T> {
    const scope = new CallScope(this.#closing, signal, timeoutMs ?? this.#options.timeoutMs);
    try {
      return await run(scope);
    } catch (thrown) {
      throw bare(thrown);
    } finally {
      scope.close();
    }
  }
}

const LENGTH_HEADER = 'inference-header-content-length';

function headerLengthOf({ headers, body }: RestAnswer): number | undefined {
  const value = headers.get(LENGTH_HEADER);
  if (value === null && headers.get('content-type')?.startsWith('application/octet-stream')) {
    throw fail('REMOTE_FAILED', 'the answer is binary and does not show where its JSON ends', {
      hint: 'A server of another origin must expose the header Inference-Header-Content-Length to pages (CORS); or set binary: false.',
    });
  }
  return readHeaderLength(value, body.byteLength, 'REMOTE_FAILED');
}

function pathOf(model: string, { version }: CallOptions): string {
  const path = `models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}
