import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyTensor, assertSame } from '../../test/any-tensor.ts';
import { servePlainGrpc } from '../../test/plain-server/grpc.ts';
import { servePlainRest } from '../../test/plain-server/rest.ts';
import { GrpcInferenceClient, InferenceClient, type InferenceService, Tensor } from './index.ts';

/** What both clients must do against servers made by hand from the specification. */
interface Double {
  inputs: { x: 'float32' };
  outputs: { y: 'float32' };
}

const COST = {
  'x-modicum-compute-ms': '1.5',
  'x-modicum-batch': '4',
  'x-modicum-cached': '1',
  'x-modicum-joules': 'x',
};

async function openAll() {
  const rest = await servePlainRest({ headers: COST });
  const json = await servePlainRest({ binary: false, headers: COST });
  const grpc = await servePlainGrpc(COST);
  const clients: Record<string, InferenceService> = {
    'REST, binary': new InferenceClient(rest.url),
    'REST, JSON': new InferenceClient(json.url, { binary: false }),
    gRPC: new GrpcInferenceClient(grpc.url),
  };
  const close = async () => {
    for (const client of Object.values(clients)) await client.close();
    for (const server of [rest, json, grpc]) await server.close();
  };
  return { clients, close };
}

test('health, metadata and answers, against plain servers', async (t) => {
  const { clients, close } = await openAll();
  try {
    for (const [name, client] of Object.entries(clients)) {
      await t.test(name, async () => {
        assert.deepEqual(
          [await client.live(), await client.ready(), await client.modelReady('double')],
          [true, true, true],
        );
        assert.equal(await client.modelReady('nobody'), false);
        assert.equal((await client.serverMetadata()).name, 'plain');
        const metadata = await client.modelMetadata('double');
        assert.deepEqual(metadata.inputs, [{ name: 'x', dtype: 'float32', shape: [null, 2] }]);
        assert.equal(metadata.platform, 'onnx_onnxv1');

        const x = { shape: [1, 2], data: Float32Array.of(1.5, -2) };
        const answer = await client.infer<Double>('double', { x }, { id: 'a', outputs: ['y'] });
        const y: Float32Array = answer.outputs.y.data();
        assert.deepEqual([...y], [3, -4]);
        assert.deepEqual(answer.outputs.y.dims, [1, 2]);
        assert.deepEqual(
          [answer.id, answer.modelName, answer.modelVersion, answer.tries],
          ['a', 'double', '2', 1],
        );
        assert.deepEqual(answer.cost, { computeMs: 1.5, batch: 4, cached: true });
        // The compiler holds names and elements to the type of the model.
        const wrong = { shape: [1, 2], data: Int8Array.of(1, 2) };
        // @ts-expect-error the input is float32
        await client.infer<Double>('echo', { x: wrong });
        // @ts-expect-error there is no output z
        await assert.rejects(client.infer<Double>('double', { x }, { outputs: ['z'] }), {
          code: 'REMOTE_FAILED',
        });
        await assert.rejects(client.infer('nobody', { x }), {
          code: 'MODEL_UNKNOWN',
          message: /no model nobody/,
        });
      });
    }
  } finally {
    await close();
  }
});

test('tensors of every dtype and shape come back from an echo', async () => {
  const { clients, close } = await openAll();
  try {
    const lists = fc.array(anyTensor(), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(lists, async (tensors) => {
        const inputs = Object.fromEntries(tensors.map((tensor, i) => [`in${i}`, tensor]));
        for (const name of ['REST, binary', 'gRPC']) {
          const { outputs } = await clients[name]!.infer('echo', inputs);
          for (const [key, tensor] of Object.entries(inputs)) assertSame(outputs[key]!, tensor);
        }
      }),
      { seed: 3, numRuns: 60 },
    );
    const { outputs } = await clients['REST, JSON']!.infer('echo', {
      // The plain server knows no whole numbers beyond these.
      k: Tensor.int64([1], [Number.MIN_SAFE_INTEGER]),
      s: { shape: [2], data: ['a', 'ß'] },
      b: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
    });
    assert.deepEqual([...outputs.k!.as('int64')], [BigInt(Number.MIN_SAFE_INTEGER)]);
    assert.deepEqual(outputs.s!.strings(), ['a', 'ß']);
    assert.deepEqual([outputs.b!.dtype, outputs.b!.numbers()], ['bool', [1, 0]]);
  } finally {
    await close();
  }
});

test('what a user gives wrong is refused before it is sent', async () => {
  assert.throws(() => new InferenceClient('localhost:8000'), { code: 'USAGE_BAD_OPTION' });
  assert.throws(() => new GrpcInferenceClient('http://host/x'), { code: 'USAGE_BAD_OPTION' });
  const { clients, close } = await openAll();
  try {
    for (const client of Object.values(clients)) {
      const bad: object[] = [
        { shape: [3], data: Float32Array.of(1) },
        { dtype: 'float32', shape: [1], data: Int8Array.of(1) },
        { dtype: 'float32', shape: [1], data: ['a'] },
        { dtype: 'string', shape: [1], data: Int8Array.of(1) },
        { shape: [1], data: Uint8ClampedArray.of(1) },
      ];
      for (const x of bad) {
        await assert.rejects(client.infer('double', { x } as never), { code: 'FEED_MISMATCH' });
      }
      const x = { shape: [1, 2], data: Float32Array.of(1, 2) };
      await assert.rejects(client.infer('double', { x }, { timeoutMs: 0 }), { code: 'USAGE_BAD_OPTION' });
    }
    const half = Tensor.ofBytes('float16', [1], new Uint8Array(2));
    await assert.rejects(clients['REST, JSON']!.infer('echo', { half }), { code: 'REQUEST_INVALID' });
    const int4 = Tensor.ofBytes('int4', [2], new Uint8Array(1));
    for (const client of Object.values(clients)) {
      await assert.rejects(client.infer('echo', { int4 }), { code: 'REQUEST_INVALID' });
      await client.close();
      await assert.rejects(client.serverMetadata(), { code: 'SESSION_CLOSED' });
    }
  } finally {
    await close();
  }
});
