import type { IncomingMessage, ServerResponse } from 'node:http';
import { fail } from '../../base/index.ts';
import type { Pace } from './pace.ts';

/** Takes a part of a body; while its promise is open, no more is read. */
export type Sink = (chunk: Buffer) => void | Promise<void>;

/** Requests whose clients wait to be told to go on (Expect: 100-continue). */
const waitForWord = new WeakMap<IncomingMessage, ServerResponse>();

/** The client of this request sends its body only when it is read. */
export function holdBack(request: IncomingMessage, response: ServerResponse): void {
  waitForWord.set(request, response);
}

/** Content-Length; undefined where the body comes in chunks. Throws REQUEST_TOO_LARGE. */
export function lengthOfBody(request: IncomingMessage, most: number): number | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding !== undefined) return undefined;
  // The parser has let pass nothing but digits.
  const bytes = Number(length ?? 0);
  if (bytes > most) throw tooLarge(most);
  return bytes;
}

export function tooLarge(most: number): Error {
  return fail('REQUEST_TOO_LARGE', `its body may have ${most} bytes`);
}

/**
 * Gives the body to `sink` part by part. `bytes` counts them as they come. Rejects with REQUEST_TOO_LARGE, REQUEST_TOO_SLOW, CANCELLED (the
 * client has gone), and what `sink` throws; then the rest is dropped.
 */
export function readBody(
  request: IncomingMessage,
  { most, pace, counted }: { most: number; pace: Pace; counted: (bytes: number) => void },
  sink: Sink,
): Promise<void> {
  const startedAt = performance.now();
  let bytes = 0;
  let over = false;
  return new Promise((resolve, reject) => {
    const paced = {
      startedAt,
      get bytes() {
        return bytes;
      },
      late: (error: Error) => stop(error),
    };
    const unwatch = pace.body(paced);
    const stop = (error?: unknown) => {
      if (over) return;
      over = true;
      unwatch();
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (error === undefined) {
        resolve();
        return;
      }
      // Errors that come after the first are nobody's.
      request.on('error', () => {});
      // The rest is dropped; `letGo` says for how long.
      request.resume();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.byteLength;
      counted(bytes);
      try {
        if (bytes > most) throw tooLarge(most);
        const waiting = sink(chunk);
        if (waiting === undefined) return;
        request.pause();
        waiting.then(() => over || request.resume(), stop);
      } catch (error) {
        stop(error);
      }
    };
    const onEnd = () => stop();
    const onClose = () => stop(fail('CANCELLED', 'the client has gone in the middle of its request'));
    request.on('data', onData).once('end', onEnd).once('close', onClose).once('error', onClose);
    waitForWord.get(request)?.writeContinue();
  });
}
