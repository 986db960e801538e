import { parentPort, workerData } from 'node:worker_threads';
import { CATALOGUE, ModicumError, messageOf } from '../base/index.ts';
import { gateOf } from './gate.ts';
import { type HostedProgram, type HostedService, openerOf } from './hosted-program.ts';
import { KeptState } from './kept-state.ts';
import type { Answer, Envelope, Replies, Request } from './messages.ts';
import { OrtInstance } from './ort-instance.ts';

/** A worker thread that holds one session of ONNX Runtime at a time and answers the requests of its pool. */
const port = parentPort;
if (port === null) throw new Error('this module is the body of a worker thread');

/** Its memory is given by the Thread that started this one. */
const gate = gateOf(workerData as SharedArrayBuffer);
let instance: OrtInstance | undefined;
let kept: KeptState | undefined;
let hosted: HostedService | undefined;

function held(): OrtInstance {
  if (instance === undefined) throw new Error('no model is open in this worker');
  return instance;
}

function keeping(): KeptState {
  if (kept === undefined) throw new Error('nothing is kept in this worker');
  return kept;
}

function service(): HostedService {
  if (hosted === undefined) throw new Error('no program is hosted in this worker');
  return hosted;
}

async function answer(request: Request, transfer: ArrayBuffer[]): Promise<Replies[keyof Replies]> {
  switch (request.kind) {
    case 'open':
      kept = undefined;
      await instance?.release();
      instance = await OrtInstance.open(request.source, request.settings, request.extras, gate);
      return instance.ports();
    case 'run':
      return held().run(request.feeds, request.outputs, transfer);
    case 'loop':
      return held().loop(request, transfer);
    case 'keep':
      kept = new KeptState(held(), request);
      return undefined;
    case 'step':
      return keeping().step(request.feeds, request.outputs, transfer);
    case 'kept':
      return keeping().read(request.names, transfer);
    case 'host': {
      const { host } = (await import(request.program)) as { host: HostedProgram };
      hosted = await host(openerOf(request.sources, gate), request.argument);
      return undefined;
    }
    case 'call':
      return service().call(request.request, transfer);
    case 'endProfile':
      return held().endProfile();
    case 'release':
      kept = undefined;
      await hosted?.dispose();
      hosted = undefined;
      await instance?.release();
      instance = undefined;
      return undefined;
  }
}

/** What a main thread needs to throw it again. */
function said(thrown: unknown): { message: string; code?: ModicumError['code'] } {
  if (!(thrown instanceof ModicumError)) return { message: messageOf(thrown) };
  const { code } = thrown;
  return { code, message: thrown.message.slice(CATALOGUE[code].what.length + 2) };
}

port.on('message', async ({ id, request }: Envelope) => {
  const transfer: ArrayBuffer[] = [];
  let message: Answer;
  try {
    message = { id, ok: true, reply: await answer(request, transfer) };
  } catch (thrown) {
    message = { id, ok: false, ...said(thrown) };
  }
  port.postMessage(message, message.ok ? transfer : []);
});
