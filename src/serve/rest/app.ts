import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerFactoryHandler,
} from 'fastify';
import { fail } from '../../base/index.ts';
import { Door } from '../door/door.ts';
import { refusalOf } from '../door/statuses.ts';
import type { Models, Observer } from '../ports.ts';
import type { Certificates } from '../security/certificates.ts';
import { credentialOf } from '../security/credential.ts';
import type { Context, Visit } from './context.ts';
import { HEALTH_ROUTES } from './health-routes.ts';
import { JsonThreads } from './json-threads.ts';
import { letGo } from './linger.ts';
import { MODEL_ROUTES } from './model-routes.ts';
import { openApi } from './openapi.ts';
import { OPERATOR_ROUTES } from './operator-routes.ts';
import { REST_LIMITS, type RestLimits, type RestOptions } from './options.ts';
import { Origins, protect } from './origins.ts';
import { Pace } from './pace.ts';
import { holdBack } from './read-body.ts';
import { bodyOf, headersOf, inOurWords, judge } from './refuse.ts';
import type { Route } from './routes.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers without a key, and while the server is closing. */
    readonly open?: boolean;
    /** It tells the observer itself what has happened. */
    readonly inference?: boolean;
  }
}

/**
 * The Open Inference Protocol v2 over REST, with Triton's extensions for statistics and the repository, probes and an OpenAPI document.
 * The app is not listening yet: `app.inject` asks it without a port. Routes that others add lie behind the keys too, unless
 * their config says `open`. Close it with `leave`, or at once with app.close().
 */
export async function restApp(
  models: Models,
  observer: Observer,
  options: RestOptions = {},
): Promise<FastifyInstance> {
  // Loaded only by those who serve.
  const { fastify } = await import('fastify');
  const limits: RestLimits = { ...REST_LIMITS, ...options.limits };
  const door = options.door ?? new Door(models, observer, options);
  let readyOnce = false;
  const context: Context = {
    ...{ door, limits, management: options.management },
    pace: new Pace(limits),
    threads: new JsonThreads(options.jsonThreads ?? 1),
    visits: new WeakMap(),
    started: () => {
      readyOnce ||= door.ready();
      return readyOnce;
    },
  };
  const app = fastify({
    serverFactory: (handler) => serverOf(handler, limits, options.tls),
    clientErrorHandler: answerNonsense,
    frameworkErrors: (error, request, reply) => sendRefusal(context, error, request, reply),
    bodyLimit: Math.min(limits.bodyBytes, 2 ** 20),
    routerOptions: { maxParamLength: 512 },
    return503OnClosing: false,
    trustProxy: options.trustProxy ?? false,
  });
  app.addHook('onRequest', entry(context, options));
  app.setErrorHandler<FastifyError>((error, request, reply) => sendRefusal(context, error, request, reply));
  app.setNotFoundHandler((request) => {
    throw fail('REQUEST_INVALID', `there is no ${request.method} ${request.url.slice(0, 200)}`, {
      status: 404,
    });
  });
  app.addHook('onClose', async () => {
    context.pace.close();
    await context.threads.close();
  });
  addRoutes(app, context);
  return app;
}

const ROUTES: readonly Route[] = [...HEALTH_ROUTES, ...MODEL_ROUTES, ...OPERATOR_ROUTES];

function addRoutes(app: FastifyInstance, context: Context): void {
  const documentRoute: Route = {
    ...{ method: 'GET', path: '/openapi.json', operation: 'openApi' },
    summary: 'This document',
    answers: { 200: { says: 'The document' } },
    handle: ({ door }) => openApi([...ROUTES, documentRoute], door.asksForKeys),
  };
  const add = (to: FastifyInstance, { method, path, open, inference, handle }: Route) =>
    to.route({
      ...{ method, url: path, config: { open, inference } },
      handler: (request, reply) => handle(context, request, reply),
    });
  for (const route of [...ROUTES, documentRoute]) if (!route.inference) add(app, route);
  // Bodies of inference are not read by Fastify.
  app.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const route of ROUTES) if (route.inference) add(own, route);
  });
}

function serverOf(
  handler: FastifyServerFactoryHandler,
  limits: RestLimits,
  tls: Certificates | undefined,
): Server {
  const options = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerMs,
    requestTimeout: limits.headerMs + limits.bodyMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(1000, limits.headerMs),
  };
  const server = tls === undefined ? createServer(options) : secureServer(options, tls, limits);
  server.on('request', handler);
  server.on('checkContinue', (request, response) => {
    holdBack(request, response);
    handler(request, response);
  });
  server.maxConnections = limits.connections;
  return server;
}

function secureServer(options: object, tls: Certificates, { headerMs }: RestLimits): Server {
  const server = createSecureServer({
    ...options,
    ...tls.current,
    ...{ requestCert: tls.mutual, rejectUnauthorized: tls.mutual, handshakeTimeout: headerMs },
  });
  server.once(
    'close',
    tls.onChange((certificate) => server.setSecureContext(certificate)),
  );
  return server;
}

/** What comes before every route: who may come in. */
function entry(context: Context, { tls, origins }: RestOptions) {
  const { door, visits, limits } = context;
  const known = new Origins(origins);
  const waiting = new WeakMap<Socket, number>();
  return (request: FastifyRequest, reply: FastifyReply, next: (error?: Error) => void): void => {
    const arrival = performance.now();
    const [asked, response] = [request.raw, reply.raw];
    protect(response, tls !== undefined);
    if (door.phase !== 'serving') response.setHeader('connection', 'close');
    if (known.meet(asked, response)) {
      reply.hijack();
      return;
    }
    if (request.routeOptions.config.open) {
      next();
      return;
    }
    try {
      const { socket, headers } = asked;
      const before = waiting.get(socket) ?? 0;
      if (before >= limits.pipelined) {
        throw fail('OVERLOADED', `${before} requests of this connection wait already`);
      }
      const apiKey = headers['x-api-key'];
      const guest = door.enter(
        credentialOf(headers.authorization, Array.isArray(apiKey) ? apiKey[0] : apiKey),
      );
      waiting.set(socket, before + 1);
      response.once('close', () => {
        waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
        guest.leave();
      });
      visits.set(asked, { guest, arrival } satisfies Visit);
      next();
    } catch (error) {
      next(error as Error);
    }
  };
}

function sendRefusal(context: Context, thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { door, limits, visits } = context;
  const refusal = judge(inOurWords(thrown, limits), door.observer, request.url);
  letGo(request.raw, reply.raw);
  const body = bodyOf(refusal);
  if (request.routeOptions?.config?.inference) {
    const { model, version } = request.params as { model: string; version?: string };
    const visit = visits.get(request.raw);
    door.happened({
      ...{ protocol: 'rest', model: model.slice(0, 200), version: '', key: visit?.guest.key },
      ...{ status: refusal.http, code: refusal.code, bytesIn: 0, bytesOut: body.length },
      ...{ totalMs: visit === undefined ? 0 : performance.now() - visit.arrival, startedAt: Date.now() },
      ...(version !== undefined && { version: version.slice(0, 200) }),
    });
  }
  void reply.code(refusal.http).headers(headersOf(refusal)).send(body);
}

/** What is no HTTP, or too slow or too long to become a request. */
function answerNonsense(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.destroyed) {
    socket.destroy();
    return;
  }
  const [status, refusal] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', fail('REQUEST_TOO_SLOW', 'it did not arrive in time')]
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', fail('REQUEST_TOO_LARGE', 'its headers are too long')]
        : ['400 Bad Request', fail('REQUEST_INVALID', 'it is not HTTP')];
  const body = bodyOf(refusalOf(refusal));
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${body.length}\r\n`;
  socket.end(`${head}connection: close\r\n\r\n${body}`);
  socket.destroySoon();
}
