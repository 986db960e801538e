import { parentPort } from 'node:worker_threads';
import { CATALOGUE, ModicumError, messageOf } from '../../base/index.ts';
import { type Done, type Work, work } from './json-work.ts';

/** A thread that reads and writes large JSON, so that the thread of I/O does not. */
parentPort!.on('message', (asked: Work) => {
  const transfer: ArrayBuffer[] = [];
  let done: Done;
  try {
    done = work(asked, transfer);
  } catch (error) {
    const known = error instanceof ModicumError ? error.code : undefined;
    // The first half of the message is put before it again by whoever makes the error anew.
    const message =
      known === undefined ? messageOf(error) : messageOf(error).slice(CATALOGUE[known].what.length + 2);
    done = { id: asked.id, kind: 'failed', code: known, message };
    transfer.length = 0;
  }
  parentPort!.postMessage(done, transfer);
});
