import { fail } from '../base/index.ts';
import { type DType, type Shape, Tensor } from '../graph/index.ts';
import type { Packed } from './messages.ts';
import type { Feeds, Fetches, Port } from './session.ts';

/** What onnxruntime-node carries in and out. */
const CARRIED: ReadonlySet<DType> = new Set<DType>([
  'float32',
  'float64',
  'float16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
  'string',
]);

const shapeText = (shape: Shape): string =>
  shape === undefined ? '[...]' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
const portText = (port: Port): string => `${port.name}: ${port.dtype}${shapeText(port.shape)}`;
const tensorText = (tensor: Tensor): string => `${tensor.dtype}[${tensor.dims.join(', ')}]`;

/** Throws FEED_MISMATCH where the feeds are not what the inputs ask for: names, dtypes, ranks, fixed dimensions. */
export function checkFeeds(inputs: readonly Port[], feeds: Feeds): void {
  for (const port of inputs) {
    const tensor = feeds[port.name];
    if (tensor === undefined) {
      const given = Object.keys(feeds).join(', ') || 'nothing';
      throw fail('FEED_MISMATCH', `input ${portText(port)} is missing; given were ${given}`, {
        input: port.name,
      });
    }
    checkFeed(port, tensor);
  }
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((port) => port.name === name)) {
      const known = inputs.map(portText).join('; ') || 'none';
      throw fail('FEED_MISMATCH', `there is no input "${name}"; the inputs are ${known}`, { input: name });
    }
  }
}

function checkFeed(port: Port, tensor: Tensor): void {
  const refuse = (why: string) =>
    fail('FEED_MISMATCH', `input ${portText(port)} was given ${tensorText(tensor)}: ${why}`, {
      input: port.name,
      dtype: tensor.dtype,
      dims: tensor.dims,
    });
  if (tensor.dtype !== port.dtype) throw refuse(`the dtype must be ${port.dtype}`);
  if (!CARRIED.has(tensor.dtype)) throw refuse(`the runtime's binding carries no ${tensor.dtype}`);
  if (port.shape === undefined) return;
  if (tensor.dims.length !== port.shape.length) {
    throw refuse(`the rank must be ${port.shape.length}, not ${tensor.dims.length}`);
  }
  for (const [axis, dim] of port.shape.entries()) {
    if (typeof dim === 'number' && tensor.dims[axis] !== dim) {
      throw refuse(`dimension ${axis} must be ${dim}, not ${tensor.dims[axis]}`);
    }
  }
}

/** Throws FEED_MISMATCH where an output is asked for that the model does not have. */
export function checkOutputs(
  outputs: readonly Port[],
  asked: readonly string[] | undefined,
): readonly string[] {
  const known = outputs.map((port) => port.name);
  if (asked === undefined) return known;
  for (const name of asked) {
    if (!known.includes(name)) {
      throw fail('FEED_MISMATCH', `there is no output "${name}"; the outputs are ${known.join(', ')}`);
    }
  }
  return [...new Set(asked)];
}

/** Feeds as a message: bytes copied unless they may be given away and fill their buffer. Throws FEED_MISMATCH. */
export function packFeeds(feeds: Feeds, give: boolean): { packed: Packed; transfer: ArrayBuffer[] } {
  const packed: Packed = {};
  const transfer: ArrayBuffer[] = [];
  for (const [name, tensor] of Object.entries(feeds)) {
    const { dtype, dims } = tensor;
    if (dtype === 'string') {
      packed[name] = { dtype, dims, content: tensor.strings() };
      continue;
    }
    const bytes = tensor.bytes();
    if (bytes.byteLength !== tensor.byteLength) {
      throw fail('FEED_MISMATCH', `the buffer of ${name} is gone: it was given away to an earlier call`, {
        input: name,
      });
    }
    const { buffer } = bytes;
    const whole = bytes.byteLength === buffer.byteLength;
    const own =
      give && whole && buffer instanceof ArrayBuffer && !transfer.includes(buffer) ? buffer : copyOf(bytes);
    transfer.push(own);
    packed[name] = { dtype, dims, content: own };
  }
  return { packed, transfer };
}

/** A copy in a buffer of its own (Buffer's slice would be a view). */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy.buffer;
}

/** What came back from a worker as tensors. */
export function unpackFetches(packed: Packed): Fetches {
  const fetches: Fetches = {};
  for (const [name, { dtype, dims, content }] of Object.entries(packed)) {
    fetches[name] =
      content instanceof ArrayBuffer
        ? Tensor.ofBytes(dtype, dims, new Uint8Array(content))
        : Tensor.ofStrings(dims, content);
  }
  return fetches;
}
