import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isValid } from '../../runtime/engine.ts';
import { Bytes, encodeWasm } from './module.ts';
import { OPCODES, type Opcode, type WasmType } from './opcodes.ts';

/** A function that applies one instruction to its parameters. */
function moduleWith(
  { code, takes, gives, align, lane }: Opcode,
  params: readonly WasmType[] = takes,
): Uint8Array {
  const body = new Bytes();
  for (const [i] of takes.entries()) body.push(0x20).count(i);
  body.append(code);
  if (align !== undefined) body.count(align).count(3);
  if (lane) body.push(1);
  return encodeWasm({
    functions: [
      {
        params,
        results: gives === undefined ? [] : [gives],
        locals: ['i32', 'v128', 'v128'],
        code: body.whole(),
        exported: 'run',
      },
    ],
    memory: 100_000,
    data: [{ offset: 70_000, bytes: Uint8Array.of(1, 2, 3) }],
    custom: [{ name: 'note', bytes: Uint8Array.of(7) }],
  });
}

test('every instruction is encoded as its signature says', () => {
  for (const [name, opcode] of OPCODES) {
    // Engines of Node 20 do not know the relaxed ones.
    if (opcode.relaxed) continue;
    assert.ok(isValid(moduleWith(opcode)), name);
    const wrong = opcode.takes.map((type): WasmType => (type === 'f64' ? 'i32' : 'f64'));
    assert.ok(!isValid(moduleWith(opcode, wrong)), `${name} takes anything`);
  }
});

test('numbers of all sizes are encoded in as few bytes as can be', () => {
  const int = (value: number) => [...new Bytes().int(value).view()];
  const count = (value: number) => [...new Bytes().count(value).view()];
  assert.deepEqual(
    [int(0), int(63), int(64), int(-64), int(-65)],
    [[0], [63], [0xc0, 0], [0x40], [0xbf, 0x7f]],
  );
  assert.deepEqual(int(-2147483648), [0x80, 0x80, 0x80, 0x80, 0x78]);
  assert.deepEqual([count(127), count(128), count(4294967295)], [[127], [0x80, 1], [255, 255, 255, 255, 15]]);
});
