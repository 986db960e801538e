import type { Random } from '../../src/base/index.ts';

/** Lengths and numbers that readers trip over, as varints. */
const VARINTS = [
  0n,
  1n,
  127n,
  128n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
].map((value) => {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
});

type Mutation = (bytes: Uint8Array, random: Random, samples: readonly Uint8Array[]) => Uint8Array;

/** Small models are mostly structure, large ones mostly weights: half of the places lie where the structure is. */
function place(bytes: Uint8Array, random: Random): number {
  return random.below(random.below(2) === 0 ? Math.min(bytes.length, 600) + 1 : bytes.length + 1);
}

function replace(bytes: Uint8Array, from: number, to: number, middle: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(Math.max(from, to))]);
}

const garbage = (random: Random) =>
  Uint8Array.from({ length: 1 + random.below(40) }, () => random.below(256));

const MUTATIONS: readonly Mutation[] = [
  function flipBits(bytes, random) {
    const copy = new Uint8Array(bytes);
    for (let n = 1 + random.below(8); n > 0; n--) {
      const at = Math.min(place(bytes, random), bytes.length - 1);
      if (at >= 0) copy[at]! ^= 1 << random.below(8);
    }
    return copy;
  },
  function truncate(bytes, random) {
    return bytes.slice(0, place(bytes, random));
  },
  function splice(bytes, random, samples) {
    const other = samples[random.below(samples.length)]!;
    return Buffer.concat([bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))]);
  },
  function changeLength(bytes, random) {
    const at = place(bytes, random);
    return replace(bytes, at, at + 1 + random.below(3), VARINTS[random.below(VARINTS.length)]!);
  },
  function insertGarbage(bytes, random) {
    const at = place(bytes, random);
    return replace(bytes, at, at, garbage(random));
  },
  function remove(bytes, random) {
    const at = place(bytes, random);
    return replace(bytes, at, at + 1 + random.below(30), new Uint8Array());
  },
  function repeat(bytes, random) {
    const at = place(bytes, random);
    const part = bytes.subarray(at, at + 1 + random.below(200));
    return replace(bytes, at, at, Buffer.concat(Array.from({ length: 1 + random.below(20) }, () => part)));
  },
  /** Wraps the message into itself, as a field: what was a model becomes a graph, a node, a tensor. */
  function nest(bytes, random) {
    let inner = bytes.subarray(0, 4096);
    for (let n = 1 + random.below(60); n > 0; n--) {
      const header = [8 * (1 + random.below(15)) + 2];
      for (let rest = inner.length; ; rest >>>= 7) {
        header.push(rest > 127 ? (rest & 127) | 128 : rest);
        if (rest <= 127) break;
      }
      inner = Buffer.concat([Uint8Array.from(header), inner]);
    }
    return Buffer.concat([Uint8Array.of(8, 10), inner]);
  },
];

interface Field {
  readonly start: number;
  /** Where the payload starts: after the tag and, with wire type 2, the length. */
  readonly payload: number;
  readonly end: number;
  readonly tag: number;
}

/** The fields of a protobuf message; undefined where the bytes are none. */
function fieldsOf(bytes: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  while (at < bytes.length) {
    const start = at;
    const tag = varint();
    let payload = at;
    const type = tag % 8;
    if (type === 0) varint();
    else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else if (type === 2) {
      const length = varint();
      payload = at;
      at += length;
    } else return undefined;
    if (!(at <= bytes.length) || tag < 8) return undefined;
    fields.push({ start, payload, end: at, tag });
  }
  return fields;
}

function wrap(tag: number, payload: Uint8Array): Uint8Array {
  const header: number[] = [];
  for (let value of [tag, payload.length]) {
    for (; value > 127; value = Math.floor(value / 128)) header.push((value % 128) | 128);
    header.push(value);
  }
  return Buffer.concat([Uint8Array.from(header), payload]);
}

/** Changes something deep inside of the message and keeps all lengths around it right, so that the reader gets there. */
function changeInside(bytes: Uint8Array, random: Random, samples: readonly Uint8Array[]): Uint8Array {
  const fields = fieldsOf(bytes);
  if (fields === undefined || fields.length === 0) {
    return bytes.length > 4096 ? bytes : MUTATIONS[random.below(MUTATIONS.length)]!(bytes, random, samples);
  }
  const { start, payload, end, tag } = fields[random.below(fields.length)]!;
  const whole = bytes.subarray(start, end);
  const other = fields[random.below(fields.length)]!;
  const kind = random.below(12);
  if (kind === 0) return replace(bytes, start, end, new Uint8Array());
  if (kind === 1) return replace(bytes, start, start, bytes.subarray(other.start, other.end));
  if (kind === 2) return replace(bytes, start, end, bytes.subarray(other.start, other.end));
  if (tag % 8 === 0) {
    if (kind < 8) return replace(bytes, payload, end, VARINTS[random.below(VARINTS.length)]!);
    return replace(bytes, payload, end, Uint8Array.of(random.below(128)));
  }
  if (tag % 8 !== 2) return replace(bytes, payload, end, garbage(random).subarray(0, end - payload));
  if (kind === 3)
    return replace(bytes, start, end, wrap(8 * (1 + random.below(26)) + 2, bytes.subarray(payload, end)));
  if (kind === 4) return replace(bytes, start, end, wrap(tag, whole));
  return replace(bytes, start, end, wrap(tag, changeInside(bytes.subarray(payload, end), random, samples)));
}

/** One of the samples (the first four make up half), changed once to three times. The same state of `random` gives the same bytes. */
export function mutant(samples: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = samples[random.below(random.below(2) === 0 ? Math.min(4, samples.length) : samples.length)]!;
  for (let n = 1 + random.below(3); n > 0; n--) {
    const change = random.below(4) > 0 ? changeInside : MUTATIONS[random.below(MUTATIONS.length)]!;
    bytes = change(bytes, random, samples);
  }
  return bytes;
}
