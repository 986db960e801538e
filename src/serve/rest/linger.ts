import type { IncomingMessage, ServerResponse } from 'node:http';

/** Rests of bodies up to this size are read and dropped, so that the connection can be kept. */
const WORTH_READING = 256 * 1024;
/** ms that a client may go on sending what nobody reads, before the connection is cut. */
const PATIENCE = 2000;

/**
 * Before an answer to a request whose body has not all come: where much is left, the connection ends with the answer. It is not cut at
 * once: with unread bytes in it the client would get a reset, and often lose the answer that says why.
 */
export function letGo(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || response.headersSent) return;
  const { 'content-length': length, 'transfer-encoding': encoding, expect } = request.headers;
  const small = encoding === undefined && expect === undefined && Number(length ?? 0) <= WORTH_READING;
  if (small) return;
  response.setHeader('connection', 'close');
  const { socket } = request;
  if (socket === null || typeof socket.destroySoon !== 'function') return;
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), PATIENCE);
    socket.once('close', () => clearTimeout(timer));
  };
}
