/** The header (over gRPC: trailing metadata) that names the code of docs/errors.md for an answer that is none. */
export const CODE_HEADER = 'x-modicum-code';

/** Headers (over gRPC: metadata) by which an answer says what it has cost. Flags are "1" where they hold. */
export const METER_HEADERS = {
  /** The version of the model that answered. */
  version: 'x-modicum-version',
  /** ms from the arrival of the request to the start of its batch. */
  queueMs: 'x-modicum-queue-ms',
  /** ms that its batch was computed. */
  computeMs: 'x-modicum-compute-ms',
  /** CPU ms of this request: its share of the batch. */
  cpuMs: 'x-modicum-cpu-ms',
  /** Samples in its batch. */
  batch: 'x-modicum-batch',
  /** At which stage of an early-exit model it left, counted from 0. */
  exit: 'x-modicum-exit',
  /** Joules of this request. */
  joules: 'x-modicum-joules',
  /** How the joules were obtained. */
  joulesMethod: 'x-modicum-joules-method',
  dollars: 'x-modicum-dollars',
  /** Answered from the response cache. */
  cached: 'x-modicum-cached',
  /** Computed again because a worker died. */
  retried: 'x-modicum-retried',
} as const;

/** What one answer has cost, as far as the server said so. */
export interface CostOfAnswer {
  readonly version?: string;
  readonly queueMs?: number;
  readonly computeMs?: number;
  readonly cpuMs?: number;
  readonly batch?: number;
  readonly exit?: number;
  readonly joules?: number;
  readonly joulesMethod?: string;
  readonly dollars?: number;
  readonly cached?: boolean;
  readonly retried?: boolean;
}

const TEXTS = ['version', 'joulesMethod'];
const FLAGS = ['cached', 'retried'];

/** Reads the headers; what is absent or no number is left out. */
export function readMeterHeaders(get: (name: string) => string | null | undefined): CostOfAnswer {
  const cost: Record<string, string | number | boolean> = {};
  for (const [key, header] of Object.entries(METER_HEADERS)) {
    const text = get(header);
    if (text === null || text === undefined || text === '') continue;
    if (TEXTS.includes(key)) cost[key] = text;
    else if (FLAGS.includes(key)) cost[key] = text === '1';
    else if (Number.isFinite(Number(text))) cost[key] = Number(text);
  }
  return cost;
}
