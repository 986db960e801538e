/** Just enough of protobuf's wire format, written by hand: what a test server reads and writes shares no code with the product. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Buffer;
}

/** The fields of a message in their order; only varints, 64-bit, 32-bit and length-delimited ones. */
export function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [number, wire] = [tag >> 3, tag & 7];
    if (wire === 0) fields.push({ number, value: varint() });
    else fields.push({ number, value: take(wire === 1 ? 8 : wire === 5 ? 4 : Number(varint())) });
  }
  return fields;
}

export const buffersOf = (fields: readonly Field[], number: number): Buffer[] =>
  fields.filter((field) => field.number === number).map(({ value }) => value as Buffer);

export const textOf = (fields: readonly Field[], number: number): string =>
  buffersOf(fields, number).at(-1)?.toString() ?? '';

function varintOf(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** A field with text, bytes or a message in it. */
export function delimited(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varintOf(BigInt((number << 3) | 2)), varintOf(BigInt(bytes.length)), bytes]);
}

export const varintField = (number: number, value: bigint): Buffer =>
  Buffer.concat([varintOf(BigInt(number << 3)), varintOf(value)]);

/** Repeated int64, packed. */
export const packed = (number: number, values: readonly number[]): Buffer =>
  delimited(number, Buffer.concat(values.map((value) => varintOf(BigInt(value)))));
