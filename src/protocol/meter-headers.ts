/** Headers (over gRPC: trailing metadata) by which an answer says what it has cost. */
export const METER_HEADERS = {
  /** ms from the arrival of the request to the start of its batch. */
  queueMs: 'x-modicum-queue-ms',
  /** ms that its batch was computed. */
  computeMs: 'x-modicum-compute-ms',
  /** CPU seconds of this request: its share of the batch. */
  cpuSeconds: 'x-modicum-cpu-seconds',
  /** Samples in its batch. */
  batch: 'x-modicum-batch',
  /** Its own samples. */
  samples: 'x-modicum-samples',
  /** At which stage of an early-exit model it left, counted from 0. */
  exit: 'x-modicum-exit',
  /** Joules of this request. */
  joules: 'x-modicum-joules',
  /** How the joules were obtained. */
  energyMethod: 'x-modicum-energy-method',
  dollars: 'x-modicum-dollars',
  /** "true": answered from the response cache. */
  cached: 'x-modicum-cached',
  /** "true": computed again because a worker died. */
  retried: 'x-modicum-retried',
} as const;

/** What one answer has cost, as far as the server said so. */
export interface CostOfAnswer {
  readonly queueMs?: number;
  readonly computeMs?: number;
  readonly cpuSeconds?: number;
  readonly batch?: number;
  readonly samples?: number;
  readonly exit?: number;
  readonly joules?: number;
  readonly energyMethod?: string;
  readonly dollars?: number;
  readonly cached?: boolean;
  readonly retried?: boolean;
}

/** Reads the headers; what is absent or no number is left out. */
export function readMeterHeaders(get: (name: string) => string | null | undefined): CostOfAnswer {
  const cost: Record<string, string | number | boolean> = {};
  for (const [key, header] of Object.entries(METER_HEADERS)) {
    const text = get(header);
    if (text === null || text === undefined || text === '') continue;
    if (key === 'energyMethod') cost[key] = text;
    else if (key === 'cached' || key === 'retried') cost[key] = text === 'true';
    else if (Number.isFinite(Number(text))) cost[key] = Number(text);
  }
  return cost;
}
