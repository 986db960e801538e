import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../base/index.ts';
import { gateOf } from './gate.ts';
import type { Answer, Envelope, Replies, Request } from './messages.ts';
import { OrtInstance } from './ort-instance.ts';

/** A worker thread that holds one session of ONNX Runtime at a time and answers the requests of its pool. */
const port = parentPort;
if (port === null) throw new Error('this module is the body of a worker thread');

/** Its memory is given by the Thread that started this one. */
const gate = gateOf(workerData as SharedArrayBuffer);
let instance: OrtInstance | undefined;

function held(): OrtInstance {
  if (instance === undefined) throw new Error('no model is open in this worker');
  return instance;
}

async function answer(request: Request, transfer: ArrayBuffer[]): Promise<Replies[keyof Replies]> {
  switch (request.kind) {
    case 'open':
      await instance?.release();
      instance = await OrtInstance.open(request.source, request.settings, request.extras, gate);
      return instance.ports();
    case 'run':
      return held().run(request.feeds, request.outputs, transfer);
    case 'loop':
      return held().loop(request, transfer);
    case 'endProfile':
      return held().endProfile();
    case 'release':
      await instance?.release();
      instance = undefined;
      return undefined;
  }
}

port.on('message', async ({ id, request }: Envelope) => {
  const transfer: ArrayBuffer[] = [];
  let message: Answer;
  try {
    message = { id, ok: true, reply: await answer(request, transfer) };
  } catch (thrown) {
    message = { id, ok: false, message: messageOf(thrown) };
  }
  port.postMessage(message, message.ok ? transfer : []);
});
