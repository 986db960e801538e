import type { FastifyInstance } from 'fastify';
import type { Listener } from '../door/leave.ts';

/** What `leave` needs of an app that listens. */
export function restListener(app: FastifyInstance): Listener {
  return {
    stop() {
      app.server.close();
      app.server.closeIdleConnections();
    },
    async cut() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}
