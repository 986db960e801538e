import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, refusal } from './ort-errors.ts';
import { resolveSettings } from './settings.ts';

const cpu = resolveSettings();
const cuda = resolveSettings({ provider: 'cuda' });

test('an unknown operator is named, in each of the forms in which ONNX Runtime says so', () => {
  const messages = [
    'This is an invalid model. In Node, ("", Foo, "", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error No Op registered for Foo with domain_version of 21',
    'Fatal error: Foo(-1) is not a registered function/op',
    'This is an invalid model. In Node, ("", Foo, "my.domain", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error No opset import for domain \'my.domain\'',
    "Could not find an implementation for Foo(14) node with name ''",
  ];
  for (const message of messages) {
    const error = refusal(message, cpu);
    assert.equal(error.code, 'RUNTIME_REFUSED');
    assert.equal(error.data.op, 'Foo', message);
    assert.match(error.message, /\bFoo\b/);
  }
});

test('a message loses its place in the source of the runtime, and keeps what was seen', () => {
  const ir =
    '/onnxruntime_src/onnxruntime/core/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, const std::vector<std::function<void(int)>>&) Unsupported model IR version: 99, max supported IR version: 13\n';
  assert.match(refusal(ir, cpu).message, /: Unsupported model IR version: 99, max supported IR version: 13$/);
  const reshape =
    "Non-zero status code returned while running Reshape node. Name:'r' Status Message: /onnxruntime_src/x/reshape_helper.h:91 onnxruntime::ReshapeHelper::ReshapeHelper(bool) a == b was false. The input tensor cannot be reshaped. Input shape:{1,4}\n";
  const error = failure(reshape);
  assert.equal(error.code, 'RUNTIME_FAILED');
  assert.match(
    error.message,
    /Reshape node\. Name:'r' Status Message: The input tensor cannot be reshaped\. Input shape:\{1,4\}$/,
  );
});

test('a provider that does not start is told from a model that it refuses', () => {
  const library = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
  assert.equal(refusal(library, cuda).code, 'PROVIDER_UNAVAILABLE');
  assert.equal(refusal(library, cpu).code, 'RUNTIME_REFUSED');
  const kernel = "Could not find an implementation for Relu(14) node with name 'a'";
  assert.equal(refusal(kernel, cuda).code, 'RUNTIME_REFUSED');
});

test('shapes and dtypes that the runtime itself refuses are a mismatch of the feeds', () => {
  assert.equal(failure('Invalid rank for input: x Got: 1 Expected: 2').code, 'FEED_MISMATCH');
  assert.equal(
    failure('Got invalid dimensions for input: x for the following indices').code,
    'FEED_MISMATCH',
  );
  assert.equal(failure('anything else').code, 'RUNTIME_FAILED');
});

test('a GPU without float16 is a model that is refused, not a provider that does not start', () => {
  const why =
    'shader_helper.cc:416 GenerateSourceCode Program Transpose requires f16 but the device does not support it.';
  const refused = refusal(why, resolveSettings({ provider: 'webgpu' }));
  assert.equal(refused.code, 'RUNTIME_REFUSED');
  assert.match(refused.message, /the GPU under webgpu does not compute in float16, which Transpose is in/);
  const failed = failure(
    "Non-zero status code returned while running Cast node. Name:'x_fp16:Cast' Status Message: GenerateSourceCode Program Cast requires f16 but the device does not support it.",
  );
  assert.equal(failed.code, 'RUNTIME_FAILED');
  assert.deepEqual(failed.data, { op: 'Cast', dtype: 'float16' });
});
