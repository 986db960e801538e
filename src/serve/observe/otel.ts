import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { VERSION } from '../../base/index.ts';
import type { Happened } from '../ports.ts';

/** Where spans go. */
export interface Traces {
  request(happened: Happened): void;
  /** Sends what is left; within a few seconds, whatever the collector does. */
  close(): Promise<void>;
  /** What was asked for and cannot be had. */
  readonly warning?: string;
}

const PATIENCE = 3000;

/** Spans by OTLP over HTTP in JSON. Sampler, limits, endpoint, headers and names come from the variables, which the library reads. */
export function openOtel(env: Readonly<Record<string, string | undefined>>): Traces {
  const own = resourceFromAttributes({ 'service.name': 'modicum', 'service.version': VERSION });
  const provider = new BasicTracerProvider({
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('modicum', VERSION);
  const asked = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL;
  return {
    request: (happened) => spansOf(tracer, happened),
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((done) => {
        timer = setTimeout(done, PATIENCE);
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
    ...(asked === 'grpc' && {
      warning:
        'OTEL_EXPORTER_OTLP_PROTOCOL=grpc: traces are sent as http/json (usually port 4318), not by gRPC',
    }),
  };
}

/** request > queue > compute. They are made when all is over, from what was measured on the way. */
function spansOf(tracer: Tracer, happened: Happened): void {
  const { model, meter, status, code, protocol } = happened;
  const from = happened.startedAt;
  const span = tracer.startSpan(
    `infer ${model}`,
    {
      kind: SpanKind.SERVER,
      startTime: from,
      attributes: {
        'modicum.model': model,
        'modicum.version': meter?.version ?? happened.version,
        'modicum.protocol': protocol,
        'http.response.status_code': status,
        ...(code !== undefined && { 'error.type': code }),
        ...(happened.key !== undefined && { 'modicum.key': happened.key }),
        ...(happened.id !== undefined && { 'modicum.request.id': happened.id }),
      },
    },
    parentOf(happened.traceparent),
  );
  if (!span.isRecording()) return;
  const inside = trace.setSpan(ROOT_CONTEXT, span);
  if (meter !== undefined && !meter.cached) {
    const began = from + meter.queueMs;
    tracer.startSpan('queue', { startTime: from }, inside).end(began);
    tracer
      .startSpan(
        'compute',
        {
          startTime: began,
          attributes: {
            'modicum.batch': meter.batch,
            'modicum.samples': meter.samples,
            'modicum.cpu_seconds': meter.cpuSeconds,
            ...(meter.exit !== undefined && { 'modicum.exit': meter.exit }),
            ...(meter.retried && { 'modicum.retried': true }),
          },
        },
        inside,
      )
      .end(began + meter.computeMs);
  }
  if (meter?.cached) span.setAttribute('modicum.cached', true);
  // By the conventions a client's error is none of the server's span.
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message: code ?? `status ${status}` });
  span.end(from + happened.totalMs);
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

/** The client's span, where it named one (W3C trace context). */
function parentOf(traceparent: string | undefined): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags ?? '0', 16);
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}
