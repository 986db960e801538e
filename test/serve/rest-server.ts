import type { AddressInfo } from 'node:net';
import { type RestOptions, restApp } from '../../src/serve/index.ts';
import { openPlain, type PlainName } from './plain-models.ts';

/** The REST app over real sessions, listening on a port of its own. */
export async function startRest(options: RestOptions, ...names: PlainName[]) {
  const plain = await openPlain(...names);
  const app = await restApp(plain.models, plain.observer, options);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const close = async () => {
    app.server.closeAllConnections();
    await app.close();
    await plain.close();
  };
  return { ...plain, app, port, close };
}
