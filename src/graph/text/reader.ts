import { fail, type ModicumError } from '../../base/index.ts';
import { NUMBER_WORD } from './words.ts';

export interface Literal {
  readonly kind: 'int' | 'float' | 'string';
  /** As it stands in the text; a string unquoted. */
  readonly text: string;
}

/** Graphs within graphs, or types within types, deeper than this are refused: no model has them, and the stack is finite. */
const DEEPEST = 200;

const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /-?(?:\d+(\.\d*)?([eE][+-]?\d+)?)/y;
const SIGNED_WORD = /-?[A-Za-z]+(?![A-Za-z0-9_])/y;

/** Walks over a text in ONNX's syntax, token by token; comments run from # to the end of the line. */
export class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** TEXT_INVALID at the next token, or at `at`. */
  error(why: string, at?: number): ModicumError {
    if (at === undefined) this.#skip();
    const before = this.#text.slice(0, at ?? this.#at);
    const line = before.split('\n').length;
    const column = before.length - before.lastIndexOf('\n');
    return fail('TEXT_INVALID', `line ${line}, column ${column}: ${why}`, { line, column });
  }

  /** Where the next token starts, for `error`. */
  get position(): number {
    this.#skip();
    return this.#at;
  }

  get atEnd(): boolean {
    return this.position >= this.#text.length;
  }

  /** The next character that is not white space; '' at the end. */
  peek(): string {
    return this.#text.charAt(this.position);
  }

  takes(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.position)) return false;
    this.#at += sign.length;
    return true;
  }

  expect(sign: string): void {
    if (!this.takes(sign)) throw this.error(`expected ${sign} but found ${this.#found()}`);
  }

  /** Runs `parse` one level deeper. */
  deeper<T>(parse: () => T): T {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw this.error(`more than ${DEEPEST} levels deep`);
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  /** One or more items with commas in between. */
  commas<T>(parse: () => T): T[] {
    const items = [parse()];
    while (this.takes(',')) items.push(parse());
    return items;
  }

  /** Items with commas between `open` and `close`; none is fine. */
  enclosed<T>(open: string, parse: () => T, close: string): T[] {
    this.expect(open);
    if (this.takes(close)) return [];
    const items = this.commas(parse);
    this.expect(close);
    return items;
  }

  /** The identifier ahead, or ''; nothing is consumed. */
  peekWord(): string {
    return this.#match(WORD, false)?.[0] ?? '';
  }

  takeWord(): string {
    return this.#match(WORD)?.[0] ?? '';
  }

  takesWord(word: string): boolean {
    if (this.peekWord() !== word) return false;
    this.takeWord();
    return true;
  }

  word(what: string): string {
    const word = this.takeWord();
    if (word === '') throw this.error(`expected ${what} but found ${this.#found()}`);
    return word;
  }

  /** An identifier or a quoted name. */
  name(what: string): string {
    return this.peek() === '"' ? this.string() : this.word(what);
  }

  get nameAhead(): boolean {
    return this.peek() === '"' || this.peekWord() !== '';
  }

  /** True where `inf`, `nan` or the like is the next word. */
  get numberWordAhead(): boolean {
    return NUMBER_WORD.test(this.peekWord());
  }

  string(): string {
    const from = this.position;
    if (!this.takes('"')) throw this.error(`expected a string but found ${this.#found()}`);
    let text = '';
    let start = this.#at;
    for (let end = -1; ; ) {
      if (end < start) end = this.#text.indexOf('"', start);
      if (end < 0 || start >= this.#text.length) throw this.error('the string has no end', from);
      const part = this.#text.slice(start, end);
      const slash = part.indexOf('\\');
      if (slash < 0) {
        this.#at = end + 1;
        return text + part;
      }
      text += part.slice(0, slash) + this.#text.charAt(start + slash + 1);
      start += slash + 2;
    }
  }

  hex(): Uint8Array {
    const at = this.position;
    const digits = this.string();
    if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw this.error('expected pairs of hexadecimal digits', at);
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  }

  literal(): Literal {
    if (this.peek() === '"') return { kind: 'string', text: this.string() };
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      const isFloat = number[1] !== undefined || number[2] !== undefined;
      return { kind: isFloat ? 'float' : 'int', text: number[0] };
    }
    const word = this.#match(SIGNED_WORD, false)?.[0];
    if (word === undefined || !NUMBER_WORD.test(word.replace('-', '')))
      throw this.error(`expected a value but found ${this.#found()}`);
    this.#match(SIGNED_WORD);
    return { kind: 'float', text: word };
  }

  /** A whole number that is exact as a double. */
  integer(what: string): number {
    const at = this.position;
    const { kind, text } = this.literal();
    const value = Number(text);
    if (kind !== 'int' || !Number.isSafeInteger(value)) throw this.error(`expected ${what}`, at);
    return value;
  }

  #found(): string {
    if (this.atEnd) return 'the end';
    return this.#match(/[A-Za-z0-9_.-]+/y, false)?.[0] ?? this.peek();
  }

  #match(pattern: RegExp, consume = true): RegExpExecArray | undefined {
    this.#skip();
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    if (consume) this.#at += match[0].length;
    return match;
  }

  #skip(): void {
    for (;;) {
      while (isSpace(this.#text.charCodeAt(this.#at))) this.#at += 1;
      if (this.#text.charAt(this.#at) !== '#') return;
      const end = this.#text.indexOf('\n', this.#at);
      this.#at = end < 0 ? this.#text.length : end;
    }
  }
}

/** Blank, tab, line feed, vertical tab, form feed, carriage return. */
function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}
