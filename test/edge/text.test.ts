import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileModel, freezeShapes } from '../../src/edge/index.ts';
import { parseText } from '../../src/graph/index.ts';
import { ROOT } from '../shared-data.ts';

/** Small models in ONNX text, and the loops that they become. UPDATE=1 rewrites these. */
const SAMPLES: Record<string, string> = {
  'conv-relu': `<ir_version: 8, opset_import: ["": 17]>
    agraph (float[1,2,5,6] x) => (float[1,4,5,6] y) <float[4,2,3,3] w = {${Array.from({ length: 72 }, (_, i) => i % 5)}}, float[4] b = {1, 2, 3, 4}> {
      c = Conv <pads = [1, 1, 1, 1]> (x, w, b)
      y = Relu(c)
    }`,
  arithmetic: `<ir_version: 8, opset_import: ["": 17]>
    agraph (float[3,5] x, float[5] y) => (float[3,5] z) {
      a = Sigmoid(x)
      m = Mul(a, x)
      z = Add(m, y)
    }`,
  'gemm-softmax': `<ir_version: 8, opset_import: ["": 17]>
    agraph (float[1,3] x) => (float[1,6] y) <float[3,6] w = {${Array.from({ length: 18 }, (_, i) => i)}}> {
      c = MatMul(x, w)
      y = Softmax <axis = -1> (c)
    }`,
};

for (const [name, source] of Object.entries(SAMPLES)) {
  test(`the loops of ${name} are those that were looked at`, () => {
    const text = compileModel(freezeShapes(parseText(source))).text();
    const path = join(ROOT, `test/edge/samples/${name}.txt`);
    if (process.env.UPDATE === '1') writeFileSync(path, text);
    assert.equal(text, readFileSync(path, 'utf8'), 'run with UPDATE=1');
  });
}
