import { unsigned, type WasmType } from './opcodes.ts';

/** Growable bytes of a section or a body. */
export class Bytes {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  push(...bytes: readonly number[]): this {
    return this.append(bytes);
  }

  append(bytes: ArrayLike<number>): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Unsigned LEB128. */
  count(value: number): this {
    return this.append(unsigned(value));
  }

  /** Signed LEB128 of a 32-bit integer. */
  int(value: number): this {
    let rest = value | 0;
    for (;;) {
      const low = rest & 127;
      rest >>= 7;
      if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) return this.push(low);
      this.push(low | 128);
    }
  }

  float(value: number): this {
    return this.append(new Uint8Array(Float32Array.of(value).buffer));
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.count(bytes.length).append(bytes);
  }

  /** Its length, then the bytes. */
  sized(inner: Bytes): this {
    return this.count(inner.length).append(inner.view());
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  whole(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

const TYPE_CODES = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const satisfies Record<
  WasmType,
  number
>;

export interface WasmFunction {
  readonly params: readonly WasmType[];
  readonly results: readonly WasmType[];
  /** Beyond the parameters. */
  readonly locals: readonly WasmType[];
  /** Instructions without the final `end`. */
  readonly code: Uint8Array;
  readonly exported?: string;
}

export interface WasmModule {
  readonly functions: readonly WasmFunction[];
  /** Bytes of memory; rounded up to pages of 64 KiB, and never grown. */
  readonly memory: number;
  readonly data: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Sections that engines skip. */
  readonly custom: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

export const PAGE = 65536;

/** The bytes of a module without imports: types, functions, one memory exported as "memory", exports, code, data. */
export function encodeWasm(module: WasmModule): Uint8Array {
  const out = new Bytes().push(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const section = (id: number, fill: (body: Bytes) => void): void => {
    const body = new Bytes();
    fill(body);
    out.push(id).sized(body);
  };
  const signatures = new Map<string, number>();
  const typeBytes = new Bytes();
  const typeOf = ({ params, results }: WasmFunction): number => {
    const key = `${params}>${results}`;
    const known = signatures.get(key);
    if (known !== undefined) return known;
    typeBytes
      .push(0x60)
      .count(params.length)
      .append(params.map((type) => TYPE_CODES[type]));
    typeBytes.count(results.length).append(results.map((type) => TYPE_CODES[type]));
    signatures.set(key, signatures.size);
    return signatures.size - 1;
  };
  const typeIndices = module.functions.map(typeOf);
  section(1, (body) => body.count(signatures.size).append(typeBytes.view()));
  section(3, (body) => {
    body.count(typeIndices.length);
    for (const index of typeIndices) body.count(index);
  });
  const pages = Math.max(1, Math.ceil(module.memory / PAGE));
  section(5, (body) => body.push(1, 1).count(pages).count(pages));
  const exported = module.functions.flatMap(({ exported: name }, index) =>
    name === undefined ? [] : [{ name, index }],
  );
  section(7, (body) => {
    body
      .count(exported.length + 1)
      .text('memory')
      .push(2, 0);
    for (const { name, index } of exported) body.text(name).push(0).count(index);
  });
  section(10, (body) => {
    body.count(module.functions.length);
    for (const fn of module.functions) body.sized(bodyOf(fn));
  });
  if (module.data.length > 0) {
    section(11, (body) => {
      body.count(module.data.length);
      for (const { offset, bytes } of module.data) {
        body.push(0, 0x41).int(offset).push(0x0b).count(bytes.length).append(bytes);
      }
    });
  }
  for (const { name, bytes } of module.custom) section(0, (body) => body.text(name).append(bytes));
  return out.whole();
}

function bodyOf({ locals, code }: WasmFunction): Bytes {
  const runs: { type: WasmType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count += 1;
    else runs.push({ type, count: 1 });
  }
  const body = new Bytes().count(runs.length);
  for (const { type, count } of runs) body.count(count).push(TYPE_CODES[type]);
  return body.append(code).push(0x0b);
}
