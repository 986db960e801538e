import { type FileHandle, open, stat } from 'node:fs/promises';
import { fail } from '../base/index.ts';
import { loadModel } from '../files/index.ts';
import { decodeModel, type Model } from '../graph/index.ts';

/** Fields of ModelProto that hold a graph's worth of bytes: graph, training_info, functions. */
const GRAPH = 7;
const HEAVY: ReadonlySet<number> = new Set([GRAPH, 20, 25]);
/** Fields of GraphProto that are kept: name, input, output. */
const KEPT: ReadonlySet<number> = new Set([2, 11, 12]);

/**
 * What a model file says of its inputs, outputs and itself: a model without nodes and weights, read without reading those.
 * Weights that an old file lists as inputs are still among them. Undefined for ONNX Runtime's own file format. Throws FILE_NOT_FOUND, FILE_UNREADABLE, and what `loadModel` throws.
 */
export async function skeletonOf(path: string): Promise<Model | undefined> {
  const found = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', path, { path }, cause);
  });
  if (!found.isFile()) throw fail('FILE_UNREADABLE', `${path} is not a regular file`, { path });
  if (path.endsWith('.ort')) return undefined;
  const bytes = await skim(path, found.size).catch(() => undefined);
  // A file that is not as it should be is for the reader proper to judge.
  return bytes === undefined ? loadModel(path) : decodeModel(bytes);
}

async function skim(path: string, size: number): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r');
  try {
    const top = await fieldsOf(new Window(file), 0, size);
    const kept: Uint8Array[] = [];
    for (const field of top)
      if (!HEAVY.has(field.number)) kept.push(await bytesOf(file, field.start, field.end));
    const graphs = top.filter((field) => field.number === GRAPH);
    if (graphs.length !== 1) return undefined;
    const graph = graphs[0]!;
    const inner: Uint8Array[] = [];
    for (const field of await fieldsOf(new Window(file), graph.content, graph.end)) {
      if (KEPT.has(field.number)) inner.push(await bytesOf(file, field.start, field.end));
    }
    const content = Buffer.concat(inner);
    return Buffer.concat([...kept, varint((GRAPH << 3) | 2), varint(content.length), content]);
  } finally {
    await file.close();
  }
}

interface Field {
  readonly number: number;
  /** Of the whole field, its tag included. */
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** The fields of the message at [from, to), without their content. Throws where they do not fit. */
async function fieldsOf(window: Window, from: number, to: number): Promise<Field[]> {
  const fields: Field[] = [];
  for (let at = from; at < to; ) {
    const tag = await window.varint(at);
    const wire = tag.value & 7;
    let content = tag.end;
    let end: number;
    if (wire === 0) end = (await window.varint(content)).end;
    else if (wire === 1) end = content + 8;
    else if (wire === 5) end = content + 4;
    else if (wire === 2) {
      const length = await window.varint(content);
      content = length.end;
      end = content + length.value;
    } else throw new Error(`wire type ${wire}`);
    if (end > to) throw new Error('a field ends behind its message');
    fields.push({ number: tag.value >>> 3, start: at, content, end });
    at = end;
  }
  return fields;
}

/** A part of the file in memory, moved on as it is read; what is skipped over is never read. */
class Window {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(16384);
  #start = 0;
  #length = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async varint(at: number): Promise<{ value: number; end: number }> {
    if (at < this.#start || at + 10 > this.#start + this.#length) {
      this.#start = at;
      this.#length = (await this.#file.read(this.#buffer, 0, this.#buffer.length, at)).bytesRead;
    }
    let value = 0;
    let scale = 1;
    for (let i = at - this.#start; i < Math.min(at - this.#start + 10, this.#length); i++) {
      const byte = this.#buffer[i]!;
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return { value, end: this.#start + i + 1 };
    }
    throw new Error('a number does not end');
  }
}

async function bytesOf(file: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(end - start);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
  if (bytesRead !== bytes.length) throw new Error('the file ends too early');
  return bytes;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
