import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { Tensor } from '../src/graph/index.ts';
import { encodeGrpcRequest, encodeInferRequest, joinChunks } from '../src/protocol/index.ts';
import { option } from './arguments.ts';
import { heading } from './heading.ts';

/** What the protocols cost: CPU time of the server per request, over a model that only copies, against the same by hand on node:http. */
const ROUNDS = Number(option('rounds') ?? 15);
const PARALLEL = 4;

interface Peer {
  readonly child: ChildProcess;
  readonly port: number;
  readonly grpc: number;
}

async function start(...args: string[]): Promise<Peer> {
  const child = fork(new URL('./rest-server.js', import.meta.url), args);
  const [ports] = (await once(child, 'message')) as [{ port: number; grpc: number }];
  return { child, ...ports };
}

async function usage({ child }: Peer): Promise<{ cpu: number; busy: number }> {
  child.send('usage');
  const [spent] = (await once(child, 'message')) as [{ cpu: number; busy: number }];
  return spent;
}

const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });

function send(port: number, headers: Record<string, string | number>, body: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, agent, method: 'POST', path: '/v2/models/copy/infer', headers },
      (answer) => {
        if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`));
        answer.resume().on('end', resolve);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Asks `count` times, some at once; µs of CPU and of the thread of I/O for each. */
async function cost(peer: Peer, count: number, ask: () => Promise<void>) {
  const before = await usage(peer);
  let left = count;
  const one = async () => {
    while (left-- > 0) await ask();
  };
  await Promise.all(Array.from({ length: PARALLEL }, one));
  const after = await usage(peer);
  return { cpu: (after.cpu - before.cpu) / count, busy: ((after.busy - before.busy) * 1000) / count };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
/** Median, and between which the middle four fifths of the rounds lie. */
function spread(values: readonly number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!.toFixed(digits);
  return `${at(0.5)} (${at(0.1)} to ${at(0.9)})`;
}

function tensorOf(elements: number): Tensor {
  return Tensor.float32(
    [1, elements],
    Float32Array.from({ length: elements }, (_, i) => Math.sin(i)),
  );
}

function bodyOf(elements: number, binary: boolean) {
  const encoded = encodeInferRequest({
    inputs: [{ name: 'x', tensor: tensorOf(elements), binary }],
    ...(binary && { parameters: { binary_data_output: true } }),
  });
  const { headerLength, contentType, byteLength } = encoded;
  const headers = {
    'content-type': contentType,
    'content-length': byteLength,
    ...(headerLength !== undefined && { 'inference-header-content-length': headerLength }),
  };
  return { headers, body: joinChunks(encoded), byteLength };
}

const LARGE = 150_528;
const peers: Peer[] = [];
try {
  console.log(heading(`${ROUNDS} rounds in turns, ${PARALLEL} requests at once; a model that only copies`));
  const [bare, ours] = [await start('bare'), await start('ours')];
  peers.push(bare, ours);
  const client = new Client(`127.0.0.1:${ours.grpc}`, credentials.createInsecure(), {
    'grpc-node.flow_control_window': 16 * 2 ** 20,
    'grpc.max_receive_message_length': -1,
  });
  const message = encodeGrpcRequest({ modelName: 'copy', inputs: [{ name: 'x', tensor: tensorOf(LARGE) }] });
  const same = (bytes: Buffer) => bytes;
  const byGrpc = () =>
    new Promise<void>((resolve, reject) => {
      const path = '/inference.GRPCInferenceService/ModelInfer';
      client.makeUnaryRequest(path, same, same, Buffer.from(message), new Metadata(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  const cases = [
    { title: 'small JSON', count: 1500, ...bodyOf(10, false), grpc: false },
    { title: '602 KB as binary', count: 150, ...bodyOf(LARGE, true), grpc: false },
    { title: '602 KB as JSON', count: 8, ...bodyOf(LARGE, false), grpc: false },
    { title: '602 KB over gRPC', count: 40, ...bodyOf(LARGE, true), grpc: true },
  ];
  console.log(
    '| request | bytes | bare, µs of CPU | ours, µs of CPU | ratio | ours, µs on the thread of I/O |',
  );
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |');
  for (const { title, count, headers, body, byteLength, grpc } of cases) {
    const rows = { bare: [] as number[], ours: [] as number[], busy: [] as number[], ratio: [] as number[] };
    for (let round = -1; round < ROUNDS; round++) {
      const a = await cost(bare, count, () => send(bare.port, headers, body));
      const b = await cost(ours, count, grpc ? byGrpc : () => send(ours.port, headers, body));
      // The first warms up.
      if (round < 0) continue;
      rows.bare.push(a.cpu);
      rows.ours.push(b.cpu);
      rows.busy.push(b.busy);
      rows.ratio.push(b.cpu / a.cpu);
    }
    const cells = [
      title,
      byteLength,
      spread(rows.bare, 0),
      spread(rows.ours, 0),
      spread(rows.ratio, 2),
      median(rows.busy).toFixed(0),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  client.close();
  console.log('\nLarge JSON at once, or in a thread of its own: µs of the thread of I/O, and of all CPU\n');
  console.log('| body | at once: I/O | CPU | thread: I/O | CPU |');
  console.log('| --- | ---: | ---: | ---: | ---: |');
  const [atOnce, apart] = [await start('ours', '1e9'), await start('ours', '0')];
  peers.push(atOnce, apart);
  for (const kilobytes of [4, 16, 64, 256, 1024]) {
    const { headers, body } = bodyOf(Math.round((kilobytes * 1024) / 10), false);
    const seen = {
      once: [] as number[],
      onceCpu: [] as number[],
      apart: [] as number[],
      apartCpu: [] as number[],
    };
    for (let round = -1; round < ROUNDS; round++) {
      const count = Math.max(6, Math.round(1000 / kilobytes));
      const a = await cost(atOnce, count, () => send(atOnce.port, headers, body));
      const b = await cost(apart, count, () => send(apart.port, headers, body));
      if (round < 0) continue;
      seen.once.push(a.busy);
      seen.onceCpu.push(a.cpu);
      seen.apart.push(b.busy);
      seen.apartCpu.push(b.cpu);
    }
    const cells = [seen.once, seen.onceCpu, seen.apart, seen.apartCpu].map((list) => median(list).toFixed(0));
    console.log(`| ${(body.byteLength / 1024).toFixed(0)} KB | ${cells.join(' | ')} |`);
  }
} finally {
  for (const { child } of peers) child.disconnect();
  agent.destroy();
}
