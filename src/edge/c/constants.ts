import { type Buffer, STORE_BYTES } from '../compile/plan/view.ts';
import { bitsLiteral, floatLiteral, intLiteral, longLiteral } from './number.ts';

const WIDTH = 100;

/** The numbers of a buffer as C writes them, and their type. */
export function literalsOf({ store, data }: Buffer): { type: string; literals: string[] } {
  const bytes = data!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.floor(bytes.length / STORE_BYTES[store]);
  const each = <T>(read: (at: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => read(i * STORE_BYTES[store]));
  switch (store) {
    case 'f32': {
      const values = each((at) => view.getFloat32(at, true));
      if (values.every(Number.isFinite))
        return { type: 'float', literals: values.map((v) => floatLiteral(v)!) };
      return { type: 'uint32_t', literals: values.map(bitsLiteral) };
    }
    case 'i64':
      return { type: 'int64_t', literals: each((at) => longLiteral(view.getBigInt64(at, true))) };
    case 'i32':
      return { type: 'int32_t', literals: each((at) => intLiteral(view.getInt32(at, true))) };
    case 'i16':
      return { type: 'int16_t', literals: each((at) => String(view.getInt16(at, true))) };
    case 'i8':
      return { type: 'int8_t', literals: each((at) => String(view.getInt8(at))) };
    case 'u8':
      return { type: 'uint8_t', literals: each((at) => String(view.getUint8(at))) };
  }
}

/** An array in flash. */
export function constantArray(name: string, buffer: Buffer): string {
  const { type, literals } = literalsOf(buffer);
  const lines: string[] = [];
  let line = '   ';
  for (const literal of literals) {
    if (line.length + literal.length + 2 > WIDTH) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${literal},`;
  }
  lines.push(line);
  return `static const ${type} ${name}[${literals.length}] = {\n${lines.join('\n')}\n};\n`;
}
