import type { FastifyInstance } from 'fastify';
import { fail } from '../../base/index.ts';
import { eventText } from './live.ts';
import type { Observation } from './observation.ts';

/** GET /metrics, /v2/modicum/series and /v2/modicum/live. Who may ask is for the hooks of the app to say. */
export async function observeRoutes(app: FastifyInstance, observation: Observation): Promise<void> {
  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await observation.metrics.text();
    return reply.header('content-type', contentType).header('cache-control', 'no-store').send(body);
  });

  app.get('/v2/modicum/series', async (request, reply) => {
    const query = request.query as { step?: unknown; seconds?: unknown };
    return reply.header('cache-control', 'no-store').send(observation.series(query));
  });

  app.get('/v2/modicum/live', async (request, reply) => {
    const { raw } = reply;
    if (!observation.live.add(raw)) {
      throw fail('OVERLOADED', 'too many dashboards listen already', { retryAfterMs: 10_000 });
    }
    raw.once('close', () => observation.live.delete(raw));
    reply.hijack();
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value as string);
    }
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies would gather what is sent second by second.
      'x-accel-buffering': 'no',
    });
    const query = request.query as { step?: unknown; seconds?: unknown };
    raw.write(eventText('hello', observation.series(query)));
  });
}
