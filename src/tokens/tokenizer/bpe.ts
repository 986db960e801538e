import { fail } from '../../base/index.ts';
import type { EncodeOptions, Tokenizer, TokenStream } from './tokenizer.ts';

/** Two neighbours that become one token; lower ranks go first. */
export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly to: number;
  readonly rank: number;
}

export interface BpeParts {
  /** The text of each token, with spaces as spaces; bytes as <0x41>. */
  readonly pieces: readonly string[];
  readonly merges: readonly Merge[];
  readonly begin: number | undefined;
  readonly end: number | undefined;
  /** Tokens that are never made of text and give none. */
  readonly silent: ReadonlySet<number>;
}

const SPACE = 0x20;
const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/**
 * Byte-pair encoding as SentencePiece trains it and llama2.c and Llama use it: a space before the text, every character that is a
 * token, else its UTF-8 bytes; then, again and again, the neighbours of the lowest rank become one, the first of equals.
 */
export class BpeTokenizer implements Tokenizer {
  readonly begin: number | undefined;
  readonly end: number | undefined;
  readonly parts: BpeParts;
  readonly #ids = new Map<string, number>();
  readonly #bytes: readonly (number | undefined)[];
  readonly #merges = new Map<number, Merge>();
  readonly #encoded: readonly Uint8Array[];

  constructor(parts: BpeParts) {
    this.parts = parts;
    this.begin = parts.begin;
    this.end = parts.end;
    const bytes: (number | undefined)[] = new Array(256).fill(undefined);
    const encoder = new TextEncoder();
    this.#encoded = parts.pieces.map((piece, id) => {
      if (parts.silent.has(id)) return new Uint8Array();
      const byte = BYTE.exec(piece);
      if (byte === null) {
        if (!this.#ids.has(piece)) this.#ids.set(piece, id);
        return encoder.encode(piece);
      }
      const value = Number.parseInt(byte[1]!, 16);
      bytes[value] ??= id;
      return Uint8Array.of(value);
    });
    this.#bytes = bytes;
    for (const merge of parts.merges) {
      const pair = this.#pair(merge.left, merge.right);
      const known = this.#merges.get(pair);
      if (known === undefined || merge.rank < known.rank) this.#merges.set(pair, merge);
    }
  }

  get size(): number {
    return this.parts.pieces.length;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const start = options.begin !== false && this.begin !== undefined ? [this.begin] : [];
    return text === '' ? start : [...start, ...this.#merged(this.#characters(` ${text}`))];
  }

  decode(tokens: readonly number[]): string {
    const stream = this.stream();
    return tokens.map((token) => stream.next(token)).join('') + stream.end();
  }

  stream(after: readonly number[] = []): TokenStream {
    const decoder = new TextDecoder();
    let first = true;
    const next = (token: number) => {
      const bytes = this.#encoded[token];
      if (bytes === undefined) throw fail('TOKENIZER_UNFIT', `there is no token ${token} of ${this.size}`);
      // The space that encode puts before a text is taken away again.
      const spaced = first && bytes[0] === SPACE;
      if (bytes.length > 0) first = false;
      if (token === this.begin) first = true;
      return decoder.decode(spaced ? bytes.subarray(1) : bytes, { stream: true });
    };
    for (const token of after) next(token);
    return { next, end: () => decoder.decode() };
  }

  #pair(left: number, right: number): number {
    return left * this.size + right;
  }

  #characters(text: string): number[] {
    const tokens: number[] = [];
    const encoder = new TextEncoder();
    for (const character of text) {
      const id = this.#ids.get(character);
      if (id !== undefined) tokens.push(id);
      else {
        for (const byte of encoder.encode(character)) {
          const token = this.#bytes[byte];
          if (token === undefined) {
            throw fail('TOKENIZER_UNFIT', `neither ${JSON.stringify(character)} nor its bytes are tokens`);
          }
          tokens.push(token);
        }
      }
    }
    return tokens;
  }

  /** A heap of pairs over a linked list: long texts take n log n. */
  #merged(tokens: number[]): number[] {
    const n = tokens.length;
    const left = Int32Array.from(tokens, (_, i) => i - 1);
    const right = Int32Array.from(tokens, (_, i) => (i + 1 < n ? i + 1 : -1));
    const alive = new Uint8Array(n).fill(1);
    const heap = new PairHeap();
    const offer = (at: number) => {
      const next = at < 0 ? -1 : right[at]!;
      if (next < 0) return;
      const merge = this.#merges.get(this.#pair(tokens[at]!, tokens[next]!));
      if (merge !== undefined) heap.push({ at, next, merge });
    };
    for (let i = 0; i < n; i++) offer(i);
    for (let best = heap.pop(); best !== undefined; best = heap.pop()) {
      const { at, next, merge } = best;
      // A pair of which one side has become another token since.
      if (!alive[at] || right[at] !== next || tokens[at] !== merge.left || tokens[next] !== merge.right)
        continue;
      tokens[at] = merge.to;
      alive[next] = 0;
      right[at] = right[next]!;
      if (right[next]! >= 0) left[right[next]!] = at;
      offer(left[at]!);
      offer(at);
    }
    return tokens.filter((_, i) => alive[i]);
  }
}

interface Candidate {
  readonly at: number;
  readonly next: number;
  readonly merge: Merge;
}

/** The candidate of the lowest rank on top, of equals the leftmost. */
class PairHeap {
  readonly #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}

function before(a: Candidate, b: Candidate): boolean {
  return a.merge.rank < b.merge.rank || (a.merge.rank === b.merge.rank && a.at < b.at);
}
