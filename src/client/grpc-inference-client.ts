import { fail } from '../base/index.ts';
import {
  decodeMessage,
  encodeGrpcRequest,
  encodeMessage,
  GRPC_METHODS,
  type GrpcMethod,
  type ModelMetadata,
  readGrpcModelMetadata,
  readGrpcResponse,
  readGrpcServerMetadata,
  readMeterHeaders,
  type ServerMetadata,
} from '../protocol/index.ts';
import { CallScope } from './call-scope.ts';
import { Closing } from './closing.ts';
import {
  type GrpcAnswer,
  type GrpcChannel,
  type GrpcChannelOptions,
  openGrpcChannel,
} from './grpc-channel.ts';
import { inferred, namedInputs, parametersOf } from './infer-parts.ts';
import type { AnyModel, InputsOf, ModelType } from './model-type.ts';
import type { CallOptions, ClientOptions, InferenceService, InferOptions, Inferred } from './options.ts';
import { bare, withRetries } from './retry.ts';

export interface GrpcClientOptions extends ClientOptions, GrpcChannelOptions {}

/**
 * A client of the Open Inference Protocol v2 over gRPC; tensors travel as raw contents. `url` is grpc://host:port, or grpcs:// for TLS.
 * Close it, or its connection keeps the process alive. Throws USAGE_BAD_OPTION.
 */
export class GrpcInferenceClient implements InferenceService {
  readonly url: string;
  readonly #options: GrpcClientOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #closing = new Closing();
  #channel: Promise<GrpcChannel> | undefined;

  constructor(url: string, options: GrpcClientOptions = {}) {
    if (!/^(grpcs?:\/\/)?[^/\s]+:\d+\/?$/.test(url)) {
      throw fail('USAGE_BAD_OPTION', `${url} is not the address of a gRPC server`, {
        hint: 'Give grpc://host:port.',
      });
    }
    this.url = url;
    const tls = options.tls ?? (url.startsWith('grpcs:') ? {} : undefined);
    this.#options = { ...options, tls };
    this.#headers = options.key === undefined ? {} : { authorization: `Bearer ${options.key}` };
  }

  live(options: CallOptions = {}): Promise<boolean> {
    return this.#healthy(options, async (scope) => {
      const { bytes } = await this.#call('ServerLive', {}, scope);
      return decodeMessage(GRPC_METHODS.ServerLive.response, bytes, 'REMOTE_FAILED').live;
    });
  }

  ready(options: CallOptions = {}): Promise<boolean> {
    return this.#healthy(options, async (scope) => {
      const { bytes } = await this.#call('ServerReady', {}, scope);
      return decodeMessage(GRPC_METHODS.ServerReady.response, bytes, 'REMOTE_FAILED').ready;
    });
  }

  modelReady(model: string, options: CallOptions = {}): Promise<boolean> {
    return this.#healthy(options, async (scope) => {
      const { bytes } = await this.#call(
        'ModelReady',
        { name: model, version: options.version ?? '' },
        scope,
      );
      return decodeMessage(GRPC_METHODS.ModelReady.response, bytes, 'REMOTE_FAILED').ready;
    });
  }

  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#asked(options, 'ServerMetadata', {}, readGrpcServerMetadata);
  }

  modelMetadata(model: string, options: CallOptions = {}): Promise<ModelMetadata> {
    const fields = { name: model, version: options.version ?? '' };
    return this.#asked(options, 'ModelMetadata', fields, readGrpcModelMetadata);
  }

  async infer<M extends ModelType = AnyModel>(
    model: string,
    inputs: InputsOf<M>,
    options: InferOptions<M> = {},
  ): Promise<Inferred<M>> {
    const tensors = namedInputs(inputs);
    const { outputs, id, version: modelVersion, sequence } = options;
    return this.#within(options, async (scope) => {
      const attempt = () => {
        const parameters = parametersOf(options, scope);
        const sent = { modelName: model, modelVersion, id, parameters, inputs: tensors, outputs };
        return this.#send('ModelInfer', encodeGrpcRequest(sent), scope);
      };
      const { value, tries } = await withRetries(attempt, scope, this.#options, sequence === undefined);
      return inferred<M>(readGrpcResponse(value.bytes), outputs, readMeterHeaders(value.get), tries);
    });
  }

  /** Ends calls under way with SESSION_CLOSED, and refuses others. */
  async close(): Promise<void> {
    this.#closing.end(fail('SESSION_CLOSED', 'the client was closed'));
    (await this.#channel)?.close();
  }

  async #asked<T>(
    options: CallOptions,
    method: GrpcMethod,
    fields: object,
    read: (bytes: Uint8Array) => T,
  ): Promise<T> {
    return this.#within(options, async (scope) => {
      const attempt = () => this.#call(method, fields, scope);
      const { value } = await withRetries(attempt, scope, this.#options, true);
      return read(value.bytes);
    });
  }

  async #healthy(options: CallOptions, ask: (scope: CallScope) => Promise<boolean>): Promise<boolean> {
    return this.#within(options, async (scope) => {
      try {
        return await ask(scope);
      } catch {
        scope.signal.throwIfAborted();
        return false;
      }
    });
  }

  #call(method: GrpcMethod, fields: object, scope: CallScope): Promise<GrpcAnswer> {
    return this.#send(method, encodeMessage(GRPC_METHODS[method].request, fields), scope);
  }

  async #send(method: GrpcMethod, message: Uint8Array, scope: CallScope): Promise<GrpcAnswer> {
    this.#channel ??= openGrpcChannel(this.url.replace(/^grpcs?:\/\//, '').replace(/\/$/, ''), this.#options);
    return (await this.#channel).call(method, message, scope, this.#headers);
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
