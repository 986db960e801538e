import type { FastifyInstance } from 'fastify';
import { fail, messageOf } from '../base/index.ts';
import { ComingModels } from './coming-models.ts';
import { namedPath } from './config/file.ts';
import type { ServerConfig } from './config/settings.ts';
import { dashboardRoutes } from './dashboard/dashboard-routes.ts';
import { Door } from './door/door.ts';
import { type Listener, leave } from './door/leave.ts';
import { startGrpc } from './grpc/server.ts';
import { followKeyFile, readKeyFile } from './key-file.ts';
import { Layers } from './layers.ts';
import { type Found, findVersions } from './models/find-versions.ts';
import { ModelStore } from './models/model-store.ts';
import { assertNamed } from './named-models.ts';
import { type Observation, openObservation } from './observe/observation.ts';
import { observeRoutes } from './observe/routes.ts';
import { openModel, reportOf } from './open-model.ts';
import type { Models } from './ports.ts';
import { restApp } from './rest/app.ts';
import { restListener } from './rest/listener.ts';
import { Certificates } from './security/certificates.ts';
import { assertMayListen } from './security/may-listen.ts';

/** ms between looks at the files of the models. */
const LOOK_EVERY_MS = 2000;

/** A server that answers. */
export interface RunningServer {
  /** Of REST, such as http://127.0.0.1:8080. */
  readonly address: string;
  /** host:port of gRPC; undefined where it is off. */
  readonly grpcAddress: string | undefined;
  readonly models: Models;
  readonly observation: Observation;
  /** Not ready, then no new requests, then the end of those under way, then of all; answers how many were cut off. `signal`: no more patience. */
  close(options?: { readonly signal?: AbortSignal; readonly graceMs?: number }): Promise<number>;
}

/** What has been opened so far, to be closed in reverse order. */
class Opened {
  readonly #closers: (() => unknown)[] = [];

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      // One that does not close keeps the others from nothing.
      await Promise.resolve(close()).catch(() => {});
    }
  }
}

/**
 * Starts a server with all its parts. It listens before its models are loaded, so that probes are answered meanwhile; the promise resolves
 * when all models answer. Throws SERVER_CONFIG_INVALID, SERVER_NOT_STARTED, PRICE_UNKNOWN, CANCELLED, and why a model does not load.
 */
export async function startServer(
  config: ServerConfig,
  options: { readonly signal?: AbortSignal; readonly log?: { write(line: string): void } } = {},
): Promise<RunningServer> {
  const opened = new Opened();
  try {
    return await start(config, opened, options);
  } catch (cause) {
    await opened.close();
    throw cause;
  }
}

async function start(
  config: ServerConfig,
  opened: Opened,
  { signal, log }: NonNullable<Parameters<typeof startServer>[1]>,
): Promise<RunningServer> {
  if (config.models.length === 0) {
    throw fail('SERVER_CONFIG_INVALID', 'no model is named', {
      setting: 'models',
      hint: 'Name a bundle, an .onnx file, or a folder that holds several: modicum serve BUNDLE',
    });
  }
  const { host, keys: keyFile, tlsCert, tlsKey, tlsClientCa } = config;
  assertMayListen(host, {
    keys: keyFile !== undefined,
    mutualTls: tlsClientCa !== undefined,
    open: config.open,
  });
  const keys = keyFile === undefined ? undefined : await readKeyFile(keyFile);
  const observation = await openObservation({
    ...{ price: config.price, region: config.region, wattsPerCore: config.wattsPerCore },
    apart: config.isolation === 'process',
    log: { level: config.logLevel, requests: config.logRequests, sample: config.logSample, to: log },
  });
  opened.add(() => observation.close());
  const tls =
    tlsCert !== undefined && tlsKey !== undefined
      ? await Certificates.open({ cert: tlsCert, key: tlsKey, clientCa: tlsClientCa }, (problem) =>
          observation.event('certificate-not-taken', { problem }),
        )
      : undefined;
  opened.add(() => tls?.close());

  const models = new ComingModels();
  observation.watch(models);
  const { requests, heldBytes } = config;
  const door = new Door(models, observation, { keys, requests, heldBytes });
  if (keyFile !== undefined) {
    const stop = followKeyFile(
      keyFile,
      (fresh) => {
        door.replaceKeys(fresh);
        observation.event('keys-taken', { keys: fresh.length });
      },
      (problem) => observation.event('keys-not-taken', { problem }),
    );
    opened.add(stop);
  }

  const reports = new Map<string, string>();
  let store: ModelStore | undefined;
  const app = await restApp(models, observation, {
    ...{ door, tls, origins: config.origins, trustProxy: config.trustProxy },
    limits: { bodyBytes: config.bodyBytes, bodyMs: config.bodyTime },
    ...(config.management && {
      management: {
        load: async (name: string) => store?.load(name, true),
        unload: async (name: string) => store?.unload(name),
      },
    }),
  });
  opened.add(() => app.close());
  await app.register(observeRoutes, observation);
  if (config.dashboard) await app.register(dashboardRoutes, { reports });
  const address = await listen(app, config, tls !== undefined);
  const rest = restListener(app);
  opened.add(() => rest.cut());
  const grpc =
    config.grpcPort === 'off'
      ? undefined
      : await startGrpc(models, observation, {
          ...{ door, tls, host, port: config.grpcPort },
          limits: { messageBytes: config.bodyBytes, messageMs: config.bodyTime },
        });
  opened.add(() => grpc?.cut());

  signal?.throwIfAborted();
  store = await openStore(config, observation, reports);
  const there = store;
  opened.add(() => there.close());
  signal?.throwIfAborted();
  models.arrive(store);

  const listeners: Listener[] = [listenerOfLive(observation), rest, ...(grpc === undefined ? [] : [grpc])];
  let closed: Promise<number> | undefined;
  return {
    ...{ address, models, observation },
    grpcAddress: grpc === undefined ? undefined : `${bracketed(host)}:${grpc.port}`,
    close({ signal: impatient, graceMs = config.grace } = {}) {
      closed ??= (async () => {
        observation.event('leaving', { inside: door.inside });
        const cut = await leave(door, listeners, { graceMs, drainMs: config.drain, signal: impatient });
        await opened.close();
        return cut;
      })();
      return closed;
    },
  };
}

async function openStore(
  config: ServerConfig,
  observation: Observation,
  reports: Map<string, string>,
): Promise<ModelStore> {
  const places = config.models.map(namedPath);
  const found: Found[] = [];
  for (const place of places) {
    const here = await findVersions(place);
    found.push(...here);
    // A folder without any model is a slip, not an empty shelf.
    if (here.length > 0) continue;
    throw fail('SERVER_CONFIG_INVALID', `${place.path} holds no model`, {
      setting: 'models',
      hint: 'Name a bundle (a folder with bundle.json), an .onnx file, a folder of numbered versions, or a folder of such folders.',
    });
  }
  assertNamed(config, found, places);
  const layers = new Layers(config);
  return ModelStore.open({
    places,
    versions: config.versions,
    drainMs: config.drain,
    ...(config.canary !== undefined && { shares: config.canary }),
    ...(config.watch && { pollMs: LOOK_EVERY_MS }),
    async open(found) {
      const model = await layers.around(await openModel(found, config, observation));
      const report = await reportOf(found.path);
      if (report === undefined) reports.delete(found.name);
      else reports.set(found.name, report);
      return model;
    },
    onEvent: (kind, facts) => observation.event(kind, facts),
  });
}

/** Streams to dashboards never end by themselves. */
function listenerOfLive({ live }: Observation): Listener {
  return { stop: () => live.close(), cut: async () => live.close() };
}

async function listen(app: FastifyInstance, { host, port }: ServerConfig, tls: boolean): Promise<string> {
  try {
    const address = await app.listen({ host, port });
    // The socket is made by ourselves: fastify does not know that it is a secure one.
    return tls ? address.replace(/^http:/, 'https:') : address;
  } catch (cause) {
    throw fail(
      'SERVER_NOT_STARTED',
      `REST at ${bracketed(host)}:${port}: ${messageOf(cause)}`,
      { host, port },
      cause,
    );
  }
}

const bracketed = (host: string) => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
