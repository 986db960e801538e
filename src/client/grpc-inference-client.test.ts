import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import { type PlainGrpc, servePlainGrpc } from '../../test/plain-server/grpc.ts';
import { buffersOf, fieldsOf, textOf } from '../../test/plain-server/protobuf.ts';
import { type GrpcClientOptions, GrpcInferenceClient } from './index.ts';

const x = { shape: [1, 2], data: Float32Array.of(1, 2) };

async function within(
  run: (client: GrpcInferenceClient, server: PlainGrpc) => Promise<void>,
  options: GrpcClientOptions = {},
): Promise<void> {
  const server = await servePlainGrpc();
  const client = new GrpcInferenceClient(server.url, { backoffMs: 2, ...options });
  try {
    await run(client, server);
  } finally {
    await client.close();
    await server.close();
  }
}

test('key, deadline, priority and stream arrive', () =>
  within(
    async (client, { seen }) => {
      const sequence = { id: '7', end: true };
      await client.infer('double', { x }, { timeoutMs: 5000, priority: 2, sequence, version: '2' });
      const { fields, metadata } = seen[0]!;
      assert.deepEqual(metadata.get('authorization'), ['Bearer secret']);
      assert.equal(textOf(fields, 2), '2');
      const parameters = new Map(
        buffersOf(fields, 4).map((entry) => {
          const pair = fieldsOf(entry);
          return [textOf(pair, 1), fieldsOf(buffersOf(pair, 2)[0]!)[0]!];
        }),
      );
      assert.deepEqual([parameters.get('priority')?.number, parameters.get('priority')?.value], [2, 2n]);
      assert.ok((parameters.get('timeout')?.value as bigint) <= 5_000_000n);
      assert.equal(String(parameters.get('sequence_id')?.value), '7');
      assert.deepEqual(
        [parameters.get('sequence_end')?.number, parameters.get('sequence_end')?.value],
        [1, 1n],
      );
    },
    { key: 'secret' },
  ));

test('what the server says comes back under its code; UNAVAILABLE is tried again', () =>
  within(async (client, { seen, faults }) => {
    const named = new Metadata();
    named.set('x-modicum-code', 'FEED_MISMATCH');
    const cases: [(typeof faults)[number], string][] = [
      [{ code: status.INVALID_ARGUMENT, details: 'odd' }, 'REQUEST_INVALID'],
      [{ code: status.UNAUTHENTICATED, details: 'who' }, 'KEY_REFUSED'],
      [{ code: status.INTERNAL, details: 'odd' }, 'REMOTE_FAILED'],
      [{ code: status.DEADLINE_EXCEEDED, details: 'late' }, 'DEADLINE_MISSED'],
      [{ code: status.INVALID_ARGUMENT, details: 'odd', metadata: named }, 'FEED_MISMATCH'],
    ];
    for (const [fault, code] of cases) {
      seen.length = 0;
      faults.push(fault);
      await assert.rejects(client.infer('double', { x }), { code });
      assert.equal(seen.length, 1);
    }
    const busy = { code: status.UNAVAILABLE, details: 'queue is full' };
    faults.push(busy, busy);
    assert.equal((await client.infer('double', { x })).tries, 3);
    faults.push(busy, busy, busy, busy);
    await assert.rejects(client.infer('double', { x }), { code: 'OVERLOADED', message: /queue is full/ });
  }));

test('a deadline, a caller and a close end calls', () =>
  within(async (client, { faults }) => {
    faults.push('silence');
    await assert.rejects(client.infer('double', { x }, { timeoutMs: 50 }), { code: 'DEADLINE_MISSED' });
    const controller = new AbortController();
    faults.push('silence');
    setTimeout(() => controller.abort(new Error('changed my mind')), 30);
    await assert.rejects(client.infer('double', { x }, { signal: controller.signal }), {
      message: 'changed my mind',
    });
    faults.push('silence');
    setTimeout(() => client.close(), 30);
    await assert.rejects(client.infer('double', { x }), { code: 'SESSION_CLOSED' });
  }));

test('a server that goes away and comes back is found again within the tries', async () => {
  const first = await servePlainGrpc();
  const client = new GrpcInferenceClient(first.url, { retries: 20, backoffMs: 20 });
  try {
    assert.equal(await client.live(), true);
    await first.close();
    assert.equal(await client.live(), false);
    await assert.rejects(client.infer('double', { x }, { timeoutMs: 200 }));
    const waiting = client.infer('double', { x }, { timeoutMs: 20_000 });
    const second = await servePlainGrpc({}, first.port);
    try {
      const { outputs, tries } = await waiting;
      assert.deepEqual(outputs.y!.numbers(), [2, 4]);
      assert.ok(tries >= 1);
    } finally {
      await second.close();
    }
  } finally {
    await client.close();
  }
});

test('tensors larger than the default limits of gRPC travel', () =>
  within(async (client) => {
    const data = Float32Array.from({ length: 2_000_000 }, (_, i) => i);
    const { outputs } = await client.infer('echo', { big: { shape: [2, 1_000_000], data } });
    assert.deepEqual(outputs.big!.data(), data);
  }));
