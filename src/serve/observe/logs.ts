import { type DestinationStream, type Logger, pino } from 'pino';
import { VERSION } from '../../base/index.ts';
import type { Happened } from '../ports.ts';

export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  /** Default: info. */
  readonly level?: LogLevel;
  /** Which requests are logged: those that got no answer (at most ten a second of a kind), a sample of all, all, or none. Default: errors. */
  readonly requests?: 'none' | 'errors' | 'all';
  /** Share of answered requests that is logged where all are: 0 to 1. Default 1. */
  readonly sample?: number;
  /** Default: standard error. */
  readonly to?: DestinationStream;
}

/** Lines a second of one kind of failure: a flood of refusals must not become a flood of lines. */
const MOST_A_SECOND = 10;

/** Whatever object is logged, by whichever part: these fields never are. */
const REDACTED = [
  'authorization',
  'cookie',
  'key',
  'keys',
  'headers.authorization',
  'headers.cookie',
  'headers["x-api-key"]',
  'headers["proxy-authorization"]',
  'req.headers.authorization',
  'req.headers.cookie',
  'req.headers["x-api-key"]',
  '["x-api-key"]',
];

/** Lines of JSON on what happens. Tensors and keys are never in them; a key is told by its name. */
export class Logs {
  /** For other parts. */
  readonly logger: Logger;
  readonly #requests: NonNullable<LogOptions['requests']>;
  readonly #sample: number;
  readonly #random: () => number;
  readonly #second: () => number;
  #counts = new Map<string, number>();
  #counted = -1;

  constructor(
    options: LogOptions = {},
    second: () => number = () => Math.floor(Date.now() / 1000),
    random: () => number = Math.random,
  ) {
    const { level = 'info', requests = 'errors', sample = 1, to } = options;
    this.#requests = requests;
    this.#sample = sample;
    this.#random = random;
    this.#second = second;
    this.logger = pino(
      {
        level,
        base: { service: 'modicum', version: VERSION },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        redact: { paths: REDACTED, censor: '[redacted]' },
      },
      to ?? pino.destination({ dest: 2, sync: false, minLength: 0 }),
    );
  }

  request(happened: Happened): void {
    if (this.#requests === 'none') return;
    if (happened.status >= 400) this.#failure(happened);
    else if (this.#requests === 'all' && (this.#sample >= 1 || this.#random() < this.#sample)) {
      this.logger.info(lineOf(happened), 'request');
    }
  }

  event(kind: string, facts: Readonly<Record<string, unknown>>): void {
    const bad = /died|failed|crash|error/.test(kind);
    this.logger[bad ? 'warn' : 'info']({ kind, ...facts }, 'event');
  }

  close(): Promise<void> {
    return new Promise((done) => {
      // A destination that cannot be flushed keeps nobody waiting.
      const timer = setTimeout(done, 1000);
      timer.unref();
      this.logger.flush(() => {
        clearTimeout(timer);
        done();
      });
    });
  }

  #failure(happened: Happened): void {
    const second = this.#second();
    if (second !== this.#counted) this.#summarize(second);
    const kind = happened.code ?? String(happened.status);
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count > MOST_A_SECOND) return;
    // A client's fault is not the operator's trouble.
    this.logger[happened.status >= 500 && happened.status !== 503 ? 'error' : 'warn'](
      lineOf(happened),
      'request',
    );
  }

  #summarize(second: number): void {
    for (const [kind, count] of this.#counts) {
      if (count > MOST_A_SECOND)
        this.logger.warn({ code: kind, left: count - MOST_A_SECOND }, 'requests not logged');
    }
    this.#counts = new Map();
    this.#counted = second;
  }
}

function lineOf(happened: Happened) {
  const { protocol, model, version, key, status, code, totalMs, bytesIn, bytesOut, meter, id, traceparent } =
    happened;
  return {
    protocol,
    model: shortened(model),
    version: meter?.version ?? shortened(version),
    ...(key !== undefined && { keyName: key }),
    status,
    ...(code !== undefined && { code }),
    ms: rounded(totalMs),
    bytesIn,
    bytesOut,
    ...(id !== undefined && { id: shortened(id) }),
    ...(traceparent !== undefined && { traceId: traceparent.split('-')[1] }),
    ...(meter !== undefined && {
      queueMs: rounded(meter.queueMs),
      computeMs: rounded(meter.computeMs),
      cpuSeconds: Number(meter.cpuSeconds.toPrecision(4)),
      batch: meter.batch,
      samples: meter.samples,
      ...(meter.exit !== undefined && { exit: meter.exit }),
      ...(meter.cached && { cached: true }),
      ...(meter.retried && { retried: true }),
    }),
  };
}

const rounded = (ms: number) => Math.round(ms * 1000) / 1000;
/** What the client chose may be long. */
const shortened = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}...` : text);
