/** A tensor as the Open Inference Protocol names it. Numbers stay numbers here, whatever they become on the wire; text is for BYTES. */
export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number> | ArrayLike<bigint> | readonly string[];
}

/** Half floats by hand: Float16Array is too new. */
function halfOf(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (Number.isNaN(value)) return 0x7e00;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent <= 0) {
    if (exponent < -10) return sign;
    const shift = 14 - exponent;
    const whole = fraction | 0x800000;
    const half = 1 << (shift - 1);
    const rest = whole & ((1 << shift) - 1);
    const kept = whole >>> shift;
    return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
  }
  const kept = (exponent << 10) | (fraction >>> 13);
  const rest = fraction & 0x1fff;
  // A carry into the exponent is what rounding up means there.
  return sign | (kept + (rest > 0x1000 || (rest === 0x1000 && (kept & 1) === 1) ? 1 : 0));
}

function ofHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

interface Kind {
  readonly bytes: number;
  readonly put: (view: DataView, at: number, value: number | bigint) => void;
  readonly get: (view: DataView, at: number) => number | bigint;
  readonly whole: boolean;
  readonly least?: number;
  readonly most?: number;
}

/** Wire forms, all little-endian. */
const KINDS: Readonly<Record<string, Kind>> = {
  BOOL: {
    bytes: 1,
    put: (v, at, x) => v.setUint8(at, Number(x) === 0 ? 0 : 1),
    get: (v, at) => v.getUint8(at),
    whole: true,
    least: 0,
    most: 1,
  },
  UINT8: {
    bytes: 1,
    put: (v, at, x) => v.setUint8(at, Number(x)),
    get: (v, at) => v.getUint8(at),
    whole: true,
    least: 0,
    most: 255,
  },
  INT8: {
    bytes: 1,
    put: (v, at, x) => v.setInt8(at, Number(x)),
    get: (v, at) => v.getInt8(at),
    whole: true,
    least: -128,
    most: 127,
  },
  UINT16: {
    bytes: 2,
    put: (v, at, x) => v.setUint16(at, Number(x), true),
    get: (v, at) => v.getUint16(at, true),
    whole: true,
    least: 0,
    most: 65535,
  },
  INT16: {
    bytes: 2,
    put: (v, at, x) => v.setInt16(at, Number(x), true),
    get: (v, at) => v.getInt16(at, true),
    whole: true,
    least: -32768,
    most: 32767,
  },
  UINT32: {
    bytes: 4,
    put: (v, at, x) => v.setUint32(at, Number(x), true),
    get: (v, at) => v.getUint32(at, true),
    whole: true,
    least: 0,
    most: 2 ** 32 - 1,
  },
  INT32: {
    bytes: 4,
    put: (v, at, x) => v.setInt32(at, Number(x), true),
    get: (v, at) => v.getInt32(at, true),
    whole: true,
    least: -(2 ** 31),
    most: 2 ** 31 - 1,
  },
  UINT64: {
    bytes: 8,
    put: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
    get: (v, at) => v.getBigUint64(at, true),
    whole: true,
    least: 0,
  },
  INT64: {
    bytes: 8,
    put: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
    get: (v, at) => v.getBigInt64(at, true),
    whole: true,
  },
  FP16: {
    bytes: 2,
    put: (v, at, x) => v.setUint16(at, halfOf(Number(x)), true),
    get: (v, at) => ofHalf(v.getUint16(at, true)),
    whole: false,
  },
  FP32: {
    bytes: 4,
    put: (v, at, x) => v.setFloat32(at, Number(x), true),
    get: (v, at) => v.getFloat32(at, true),
    whole: false,
  },
  FP64: {
    bytes: 8,
    put: (v, at, x) => v.setFloat64(at, Number(x), true),
    get: (v, at) => v.getFloat64(at, true),
    whole: false,
  },
};

export function isNumeric(datatype: string): boolean {
  return KINDS[datatype] !== undefined;
}

export function isFloat(datatype: string): boolean {
  return KINDS[datatype]?.whole === false;
}

/** What is wrong with a number for a datatype; undefined where it fits. */
export function misfit(datatype: string, value: number): string | undefined {
  const kind = KINDS[datatype];
  if (kind === undefined) return undefined;
  if (Number.isNaN(value) && kind.whole) return 'not a number';
  if (kind.whole && !Number.isInteger(value)) return `${datatype} takes whole numbers`;
  if (value < (kind.least ?? value)) return `${datatype} takes ${kind.least} at least`;
  if (value > (kind.most ?? value)) return `${datatype} takes ${kind.most} at most`;
  return undefined;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

export function bytesOf(tensor: Tensor): Uint8Array<ArrayBuffer> {
  const { datatype, data } = tensor;
  if (datatype === 'BYTES') return bytesOfTexts(Array.from(data as ArrayLike<string>));
  const kind = KINDS[datatype];
  if (kind === undefined) throw new Error(`${tensor.name}: ${datatype} cannot be sent from here`);
  const bytes = new Uint8Array(data.length * kind.bytes);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < data.length; i++) kind.put(view, i * kind.bytes, data[i] as number | bigint);
  return bytes;
}

/** Each with its length before it. */
function bytesOfTexts(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const parts = texts.map((text) => new TextEncoder().encode(text));
  const bytes = new Uint8Array(parts.reduce((total, part) => total + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/** The values of `count` elements that lie in bytes. Throws where they end too early. */
export function valuesIn(datatype: string, count: number, bytes: Uint8Array): Tensor['data'] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (datatype === 'BYTES') return textsIn(view, bytes, count);
  const kind = KINDS[datatype];
  if (kind === undefined) throw new Error(`${datatype} cannot be read here`);
  const values = Array.from({ length: count }, (_, i) => kind.get(view, i * kind.bytes));
  return datatype.endsWith('INT64') ? (values as bigint[]) : (values as number[]);
}

function textsIn(view: DataView, bytes: Uint8Array, count: number): string[] {
  const texts: string[] = [];
  for (let at = 0; texts.length < count; ) {
    const length = view.getUint32(at, true);
    texts.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return texts;
}
