import { createHash } from 'node:crypto';

/** A value as one line of JSON: arrays of doubles keep their bits, numbers that JSON lacks keep their meaning. */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Float64Array) {
      return { $doubles: Buffer.from(inner.buffer, inner.byteOffset, inner.byteLength).toString('base64') };
    }
    return typeof inner === 'number' && !Number.isFinite(inner) ? { $number: String(inner) } : inner;
  });
}

/** What `toText` was given. Throws SyntaxError where the text is no JSON. */
export function fromText(text: string): unknown {
  return JSON.parse(text, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null) return inner;
    if ('$number' in inner) return Number(inner.$number);
    if (!('$doubles' in inner)) return inner;
    const bytes = Buffer.from(String(inner.$doubles), 'base64');
    return new Float64Array(Uint8Array.from(bytes).buffer);
  });
}

/** A line of a journal: a check of eight digits, a space, the value, the end of the line. */
export function lineOf(value: unknown): string {
  const text = toText(value);
  return `${checkOf(text)} ${text}\n`;
}

/**
 * The values of all whole lines from the start, and how many bytes they take: a line that a crash cut short, or that does not
 * meet its check, ends them.
 */
export function readLines(bytes: Buffer): { values: unknown[]; length: number } {
  const values: unknown[] = [];
  let length = 0;
  for (;;) {
    const end = bytes.indexOf(10, length);
    if (end < 0) break;
    const line = bytes.subarray(length, end).toString('utf8');
    const text = line.slice(9);
    if (line[8] !== ' ' || line.slice(0, 8) !== checkOf(text)) break;
    values.push(fromText(text));
    length = end + 1;
  }
  return { values, length };
}

function checkOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
