import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyTensor, assertSame } from '../../test/any-tensor.ts';
import { DTYPES, type DType } from '../graph/index.ts';
import {
  DATATYPES,
  encodeGrpcRequest,
  encodeGrpcResponse,
  encodeInferRequest,
  encodeInferResponse,
  joinChunks,
  readGrpcRequest,
  readGrpcResponse,
  readInferRequest,
  readInferResponse,
  readTensors,
} from './index.ts';

const ALL = Object.values(DATATYPES) as DType[];
const IN_JSON: readonly DType[] = ALL.filter((dtype) => dtype !== 'float16' && dtype !== 'bfloat16');

/** Tensors under names that are keys of objects, empty, or need escapes. */
const NAMES = ['x', '__proto__', 'constructor', '', 'ü "quoted"\n', 'inputs'];
const named = (dtypes: readonly DType[]) =>
  fc
    .array(anyTensor(dtypes), { maxLength: NAMES.length })
    .map((tensors) => tensors.map((tensor, i) => ({ name: NAMES[i]!, tensor })));
const either = fc
  .tuple(named(ALL), fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }))
  .map(([tensors, flags]) =>
    tensors.map((one, i) => ({
      ...one,
      binary: flags[i]! || !IN_JSON.includes(one.tensor.dtype),
    })),
  );

const RUNS = { seed: 7, numRuns: 400 };

test('a request over REST comes back, JSON and binary tensors mixed, of every dtype and shape', () => {
  fc.assert(
    fc.property(either, (inputs) => {
      const body = encodeInferRequest({ inputs, id: 'a', parameters: { binary_data_output: true } });
      const bytes = joinChunks(body);
      const { headerLength } = body;
      assert.equal(bytes.byteLength, body.byteLength);
      assert.equal(
        headerLength !== undefined,
        inputs.some(({ binary }) => binary),
      );
      const text = new TextDecoder().decode(bytes.subarray(0, headerLength));
      const request = readInferRequest(text, { headerLength, bodyLength: bytes.byteLength });
      assert.equal(request.id, 'a');
      assert.equal(request.parameters.binary_data_output, true);
      const back = readTensors(request.inputs, bytes, 'REQUEST_INVALID');
      assert.deepEqual(back.map(({ name }) => name).sort(), inputs.map(({ name }) => name).sort());
      for (const { name, tensor } of back) {
        assertSame(tensor, inputs.find((one) => one.name === name)!.tensor);
      }
      // Aligned without gaps: what a server reads into an aligned buffer it can compute on.
      for (const { dtype, binary } of request.inputs) {
        if (binary !== undefined && binary.length > 0) {
          assert.equal(binary.offset % Math.max(1, DTYPES[dtype].bits / 8), 0);
        }
      }
    }),
    RUNS,
  );
});

test('an answer over REST comes back, its outputs in their order', () => {
  fc.assert(
    fc.property(either, (outputs) => {
      const body = encodeInferResponse({ modelName: 'm', modelVersion: '3', outputs });
      const answer = readInferResponse(joinChunks(body), body.headerLength);
      assert.deepEqual([answer.modelName, answer.modelVersion, answer.id], ['m', '3', undefined]);
      assert.deepEqual(
        answer.outputs.map(({ name }) => name),
        outputs.map(({ name }) => name),
      );
      for (const [i, { tensor }] of answer.outputs.entries()) assertSame(tensor, outputs[i]!.tensor);
    }),
    RUNS,
  );
});

test('requests and answers over gRPC come back, raw and typed', () => {
  const parameters = { a: 'text', b: true, c: -3, d: 0.5, e: Number.MAX_SAFE_INTEGER };
  const cases = fc.oneof(
    fc.tuple(named(ALL), fc.constant(true)),
    fc.tuple(named(IN_JSON), fc.constant(false)),
  );
  fc.assert(
    fc.property(cases, ([tensors, raw]) => {
      const sent = { modelName: 'm', modelVersion: '2', id: 'x', parameters, raw };
      const request = readGrpcRequest(encodeGrpcRequest({ ...sent, inputs: tensors, outputs: ['y'] }));
      assert.deepEqual([request.modelName, request.modelVersion, request.id], ['m', '2', 'x']);
      assert.deepEqual(request.parameters, parameters);
      assert.deepEqual(request.outputs, [{ name: 'y', parameters: {} }]);
      assert.equal(request.raw, raw && tensors.length > 0);
      const answer = readGrpcResponse(encodeGrpcResponse({ ...sent, outputs: tensors }));
      for (const list of [request.inputs, answer.outputs]) {
        assert.equal(list.length, tensors.length);
        for (const [i, { name, tensor }] of list.entries()) {
          assert.equal(name, tensors[i]!.name);
          assertSame(tensor, tensors[i]!.tensor);
        }
      }
    }),
    RUNS,
  );
});
