import type { CostOfAnswer, ModelMetadata, Parameters, ServerMetadata } from '../protocol/index.ts';
import type { AnyModel, InputsOf, ModelType, OutputsOf } from './model-type.ts';

export interface CallOptions {
  /** Version of the model. Default: the server chooses. */
  readonly version?: string;
  readonly signal?: AbortSignal;
  /** ms for the whole call, retries included. Default: that of the client. */
  readonly timeoutMs?: number;
}

export interface InferOptions<M extends ModelType = AnyModel> extends CallOptions {
  /** Only these outputs. Default: all. */
  readonly outputs?: readonly (keyof M['outputs'] & string)[];
  /** Returned with the answer. */
  readonly id?: string;
  /** 1 is the most urgent, 0 the model's default. */
  readonly priority?: number;
  /** A stream of a model with a state: all its requests share the id. */
  readonly sequence?: { readonly id: string; readonly start?: boolean; readonly end?: boolean };
  /** Parameters of the request besides these. */
  readonly parameters?: Parameters;
}

export interface Inferred<M extends ModelType = AnyModel> {
  readonly outputs: OutputsOf<M>;
  readonly modelName: string | undefined;
  readonly modelVersion: string | undefined;
  readonly id: string | undefined;
  readonly parameters: Parameters;
  /** What the answer has cost, as far as the server says so (Modicum does). */
  readonly cost: CostOfAnswer;
  /** How often the request was sent. */
  readonly tries: number;
}

export interface RetryOptions {
  /** Tries after the first. Default: 3. */
  readonly retries?: number;
  /** Mean wait before the first of them, ms; it doubles each time up to 2 s. Default: 50. */
  readonly backoffMs?: number;
}

export interface ClientOptions extends RetryOptions {
  /** API key, sent as "authorization: Bearer KEY". */
  readonly key?: string;
  /** ms for a call, retries included; the server is told what is left of it. Default: 60 s, of which the server is not told. */
  readonly timeoutMs?: number;
}

/** What both clients do. Calls throw what the server said, by the codes of docs/errors.md. */
export interface InferenceService {
  /** Whether the server answers at all; false where it cannot be reached. */
  live(options?: CallOptions): Promise<boolean>;
  /** Whether all its models can answer. */
  ready(options?: CallOptions): Promise<boolean>;
  modelReady(model: string, options?: CallOptions): Promise<boolean>;
  serverMetadata(options?: CallOptions): Promise<ServerMetadata>;
  modelMetadata(model: string, options?: CallOptions): Promise<ModelMetadata>;
  /**
   * Throws FEED_MISMATCH, REQUEST_INVALID, DEADLINE_MISSED, OVERLOADED, MODEL_UNKNOWN, MODEL_NOT_READY, KEY_REFUSED, KEY_LIMITED, REQUEST_TOO_LARGE,
   * REMOTE_FAILED, or the reason of the signal.
   */
  infer<M extends ModelType = AnyModel>(
    model: string,
    inputs: InputsOf<M>,
    options?: InferOptions<M>,
  ): Promise<Inferred<M>>;
  close(): Promise<void>;
}
