import { fail } from '../../base/index.ts';

/**
 * What goes through the pipe between the server and a process that computes, both ways alike, little-endian:
 *
 *     0  uint32  FRAME_MARK
 *     4  uint32  bytes of the note
 *     8  uint48  bytes of the body
 *    14  uint16  0
 *    16  the note: JSON, blanks behind it up to a multiple of 8
 *     …  the body: pieces, each filled up to a multiple of 8
 *
 * so that any number in the body lies aligned, and a piece that has come is a tensor without a copy.
 */
export const FRAME_HEAD = 16;
const FRAME_MARK = 0x3146444d;
const ALIGNMENT = 8;
/** A note describes tensors; its size does not depend on theirs. */
const MOST_NOTE = 64 * 2 ** 20;

export interface Frame {
  readonly note: unknown;
  /** Valid for as long as its reader says. */
  readonly body: Uint8Array;
}

export interface FrameSizes {
  readonly note: number;
  readonly body: number;
}

/** The next multiple of 8. */
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** A frame as buffers to write one after the other; the pieces' own memory is among them. */
export function frameOf(note: unknown, pieces: readonly Uint8Array[] = []): Uint8Array[] {
  const text = JSON.stringify(note);
  const bytes = Buffer.byteLength(text);
  const head = Buffer.allocUnsafe(FRAME_HEAD + aligned(bytes));
  head.fill(' ', FRAME_HEAD + bytes);
  head.write(text, FRAME_HEAD);
  let body = 0;
  const parts: Uint8Array[] = [head];
  for (const piece of pieces) {
    const gap = aligned(piece.byteLength) - piece.byteLength;
    body += piece.byteLength + gap;
    if (piece.byteLength > 0) parts.push(piece);
    if (gap > 0) parts.push(GAPS[gap]!);
  }
  head.writeUInt32LE(FRAME_MARK, 0);
  head.writeUInt32LE(aligned(bytes), 4);
  head.writeUIntLE(body, 8, 6);
  head.writeUInt16LE(0, 14);
  return parts;
}

const GAPS = Array.from({ length: ALIGNMENT }, (_, bytes) => new Uint8Array(bytes));

/** What follows a head. Throws WORKER_CRASHED where it is none: the other side is out of its mind. */
export function readHead(head: Buffer, most: number): FrameSizes {
  const broken = (why: string) => fail('WORKER_CRASHED', `what came through the pipe is no frame: ${why}`);
  if (head.readUInt32LE(0) !== FRAME_MARK || head.readUInt16LE(14) !== 0) throw broken('its mark is missing');
  const note = head.readUInt32LE(4);
  const body = head.readUIntLE(8, 6);
  if (note === 0 || note > MOST_NOTE || note % ALIGNMENT !== 0) throw broken(`a note of ${note} bytes`);
  if (body > most || body % ALIGNMENT !== 0) throw broken(`a body of ${body} bytes`);
  return { note, body };
}

/** Throws WORKER_CRASHED. */
export function readNote(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw fail('WORKER_CRASHED', 'what came through the pipe is no frame: its note is no JSON', {}, cause);
  }
}
