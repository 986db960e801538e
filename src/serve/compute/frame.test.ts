import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ModicumError, Random } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { BlockingPipe } from './blocking-pipe.ts';
import { type Frame, frameOf } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { packTensors, type TensorNote, unpackTensors } from './messages.ts';

const TENSORS = {
  a: Tensor.float32([2, 2], [1, 2, 3, 4]),
  odd: Tensor.of('uint8', [3], Uint8Array.of(7, 8, 9)),
  none: Tensor.float32([0, 5], []),
  big: Tensor.int64([2], [2n ** 62n, -1n]),
  texts: Tensor.ofStrings([2], ['ä', '']),
};

/** Two frames with tensors and one without a body, in one stream. */
function stream(): Buffer {
  const { notes, pieces } = packTensors(TENSORS);
  const parts = [
    ...frameOf({ id: 1, notes }, pieces),
    ...frameOf({ id: 2 }),
    ...frameOf({ id: 3, notes }, pieces),
  ];
  return Buffer.concat(parts);
}

function check(frames: readonly Frame[]): void {
  assert.deepEqual(
    frames.map(({ note }) => (note as { id: number }).id),
    [1, 2, 3],
  );
  for (const { note, body } of [frames[0]!, frames[2]!]) {
    const found = unpackTensors((note as { notes: TensorNote[] }).notes, body);
    assert.deepEqual(Object.keys(found), Object.keys(TENSORS));
    for (const [name, tensor] of Object.entries(TENSORS)) {
      assert.deepEqual(found[name]!.dims, tensor.dims);
      if (tensor.dtype === 'string') assert.deepEqual(found[name]!.strings(), tensor.strings());
      else assert.deepEqual(found[name]!.data(), tensor.data());
    }
  }
}

function read(chunks: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader((frame) => frames.push(frame));
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}

test('frames come whole, wherever the stream is cut', () => {
  const bytes = stream();
  check(read([bytes]));
  for (let at = 0; at <= bytes.length; at++) check(read([bytes.subarray(0, at), bytes.subarray(at)]));
  check(read(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))));
  const random = new Random(5);
  for (let round = 0; round < 200; round++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(90);
      // Memory of its own, at an odd place: nothing may depend on how chunks lie.
      const chunk = Buffer.alloc(size + 3).subarray(random.below(3));
      chunks.push(chunk.subarray(0, bytes.copy(chunk, 0, at, at + size)));
      at += size;
    }
    check(read(chunks));
  }
});

test('a body that lies whole in a chunk is not copied, and numbers are aligned', () => {
  const bytes = Buffer.from(new Uint8Array(stream()).buffer);
  for (const { body } of read([bytes])) {
    if (body.byteLength === 0) continue;
    assert.equal(body.buffer, bytes.buffer);
    assert.equal(body.byteOffset % 8, 0);
  }
});

test('bytes that are no frame are refused at once, whichever byte of the head is wrong; a truncated stream gives nothing', () => {
  const bytes = stream();
  const broken = (thrown: unknown) => (thrown as ModicumError).code === 'WORKER_CRASHED';
  for (const [at, value] of [
    [0, 0],
    [3, 1],
    [4, 1],
    [7, 255],
    [8, 1],
    [13, 255],
    [14, 1],
  ] as const) {
    const wrong = Buffer.from(bytes);
    wrong[at] = value;
    assert.throws(() => read([wrong]), broken, `byte ${at}`);
  }
  const noJson = Buffer.from(bytes);
  noJson[16] = 0;
  assert.throws(() => read([noJson]), broken);
  assert.throws(() => new FrameReader(() => {}, 16).push(bytes), broken);
  for (let at = 0; at < bytes.indexOf('{"id":2}') - 16; at++) {
    assert.equal(read([bytes.subarray(0, at)]).length, 0);
  }
});

test('random bytes never crash or hang a reader, and never become a tensor by chance', () => {
  const random = new Random(11);
  const bytes = stream();
  for (let round = 0; round < 2000; round++) {
    const mutated = Buffer.from(bytes);
    for (let i = 0; i <= random.below(4); i++) mutated[random.below(bytes.length)] = random.below(256);
    try {
      for (const { note, body } of read([mutated])) {
        const notes = (note as { notes?: TensorNote[] } | null)?.notes;
        if (Array.isArray(notes)) unpackTensors(notes, body);
      }
    } catch (thrown) {
      assert.ok(thrown instanceof Error);
    }
  }
});

test('the blocking side reads the same frames into one memory, and knows an end from a frame', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-frames-'));
  const path = join(folder, 'stream');
  try {
    writeFileSync(path, stream());
    const fd = openSync(path, 'r');
    const pipe = new BlockingPipe(fd);
    const frames: Frame[] = [];
    for (let frame = pipe.read(); frame !== undefined; frame = pipe.read()) {
      frames.push({ note: frame.note, body: Buffer.from(new Uint8Array(frame.body).buffer) });
    }
    closeSync(fd);
    check(frames);
    const bytes = stream();
    for (const cut of [3, 17, bytes.indexOf('{"id":2}') - 20]) {
      writeFileSync(path, bytes.subarray(0, cut));
      const short = openSync(path, 'r');
      assert.equal(new BlockingPipe(short).read(), undefined);
      closeSync(short);
    }
    const out = openSync(path, 'w');
    const { notes, pieces } = packTensors(TENSORS);
    new BlockingPipe(out).write({ id: 1, notes }, [
      ...pieces,
      ...Array.from({ length: 200 }, () => new Uint8Array(3)),
    ]);
    closeSync(out);
    const again = openSync(path, 'r');
    const frame = new BlockingPipe(again).read()!;
    assert.deepEqual(
      unpackTensors((frame.note as { notes: TensorNote[] }).notes, frame.body).big!.numbers(),
      TENSORS.big.numbers(),
    );
    closeSync(again);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
