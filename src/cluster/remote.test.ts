import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { servePlainGrpc } from '../../test/plain-server/grpc.ts';
import { servePlainRest } from '../../test/plain-server/rest.ts';
import { parseText, Tensor } from '../graph/index.ts';
import { encodeInferResponse, joinChunks, readInferRequest, readTensors } from '../protocol/index.ts';
import { openSession } from '../run/index.ts';
import { openRemote } from './remote.ts';

const MODEL = parseText(`<ir_version: 10, opset_import: ["" : 21]> g (float[n, 2] x, int64[n, 2] k)
  => (float[n, 2] y, int64[n, 2] j) { y = Add(x, x) j = Neg(k) }`);

async function text(request: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of request) all += chunk;
  return all;
}

/** A small server of the protocol around a real session, which knows JSON alone and does not describe itself. */
async function serve() {
  const session = await openSession(MODEL);
  const server = createServer(async (request, response) => {
    const port = (shape: number[], datatype: string, name: string) => ({ name, datatype, shape });
    if (request.url === '/v2/models/m') {
      const inputs = [port([-1, 2], 'FP32', 'x'), port([-1, 2], 'INT64', 'k')];
      const outputs = [port([-1, 2], 'FP32', 'y'), port([-1, 2], 'INT64', 'j')];
      response.end(JSON.stringify({ name: 'm', platform: 'onnx_onnxv1', inputs, outputs }));
      return;
    }
    if (request.url !== '/v2/models/m/infer') {
      response.writeHead(404).end(JSON.stringify({ error: 'no such model' }));
      return;
    }
    const { inputs, outputs } = readInferRequest(await text(request));
    const tensors = readTensors(inputs, new Uint8Array(), 'REQUEST_INVALID');
    const feeds = Object.fromEntries(tensors.map(({ name, tensor }) => [name, tensor]));
    const found = await session.run(feeds, { outputs: outputs?.map(({ name }) => name) });
    const sent = Object.entries(found).map(([name, tensor]) => ({ name, tensor, binary: false }));
    response.end(joinChunks(encodeInferResponse({ modelName: 'm', outputs: sent })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await session.dispose();
  };
  return { url: `http://127.0.0.1:${port}/v2/models`, close };
}

test('a served model is a session', async () => {
  const { url, close } = await serve();
  try {
    const session = await openRemote(`${url}/m`);
    assert.deepEqual(session.inputs[0], { name: 'x', dtype: 'float32', shape: [null, 2] });
    const feeds = {
      x: Tensor.float32([2, 2], [1, 2, 3, 4]),
      k: Tensor.int64([2, 2], [1, -(2n ** 60n), 3, 4]),
    };
    const both = await session.run(feeds);
    assert.deepEqual(both.y!.numbers(), [2, 4, 6, 8]);
    assert.deepEqual([...both.j!.as('int64')], [-1n, 2n ** 60n, -3n, -4n]);
    assert.deepEqual(Object.keys(await session.run(feeds, { outputs: ['j'] })), ['j']);
    await assert.rejects(session.run({ x: feeds.x }), { code: 'FEED_MISMATCH' });
    await session.dispose();
    await assert.rejects(session.run(feeds), { code: 'SESSION_CLOSED' });
    await assert.rejects(openRemote(`${url}/other`), { code: 'MODEL_UNKNOWN', message: /404/ });
  } finally {
    await close();
  }
  await assert.rejects(openRemote(`${url}/m`), { code: 'REMOTE_FAILED' });
  await assert.rejects(openRemote('http://127.0.0.1/model'), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(openRemote('grpc://127.0.0.1:1'), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(openRemote(`${url}/%`), { code: 'USAGE_BAD_OPTION' });
});

test('tensors travel in binary form where the server says that it takes them, and over gRPC', async () => {
  const rest = await servePlainRest();
  const grpc = await servePlainGrpc();
  try {
    for (const url of [`${rest.url}/v2/models/double/versions/2`, `${grpc.url}/double/versions/2`]) {
      const session = await openRemote(url);
      assert.deepEqual(session.outputs, [{ name: 'y', dtype: 'float32', shape: [null, 2] }]);
      const { y } = await session.run({ x: Tensor.float32([1, 2], [1, 2]) });
      assert.deepEqual(y!.numbers(), [2, 4]);
      const signal = AbortSignal.abort(new Error('not any more'));
      await assert.rejects(session.run({ x: Tensor.float32([1, 2], [1, 2]) }, { signal }), {
        message: 'not any more',
      });
      await session.dispose();
      await assert.rejects(session.run({ x: Tensor.float32([1, 2], [1, 2]) }), { code: 'SESSION_CLOSED' });
    }
    const sent = rest.seen.find(({ path }) => path.endsWith('/infer'))!;
    assert.equal(sent.path, '/v2/models/double/versions/2/infer');
    assert.equal(sent.headers['content-type'], 'application/octet-stream');
    await assert.rejects(openRemote(`${grpc.url}/nobody`), { code: 'MODEL_UNKNOWN' });
  } finally {
    await rest.close();
    await grpc.close();
  }
});
