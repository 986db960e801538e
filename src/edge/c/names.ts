/** Words that C keeps for itself, and those that the generated code uses. */
const TAKEN: ReadonlySet<string> = new Set(
  `auto break case char const continue default do double else enum extern float for goto if inline int long register restrict
  return short signed sizeof static struct switch typedef union unsigned void volatile while main int8_t int16_t int32_t int64_t
  uint8_t uint16_t uint32_t uint64_t sqrtf bool true false`.split(/\s+/),
);

/** A name as C takes it. */
export function identifier(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9_]+/g, '_').replace(/^_+|_+$/g, '');
  const begun = /^[A-Za-z]/.test(plain) ? plain : `x${plain === '' ? '' : `_${plain}`}`;
  return TAKEN.has(begun) ? `${begun}_` : begun;
}

/** Names in C, each once. */
export class Names {
  readonly #used = new Set<string>();

  give(name: string): string {
    const base = identifier(name);
    let given = base;
    // Compared without case: the macros of a header are in capitals.
    for (let i = 2; this.#used.has(given.toLowerCase()); i++) given = `${base}_${i}`;
    this.#used.add(given.toLowerCase());
    return given;
  }
}

/** Text that may stand in a comment. */
export const commentText = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/\*\//g, '* /')
    .replace(/\/\*/g, '/ *')
    .replace(/\?/g, '.');

/** A string literal, its bytes in UTF-8. */
export function stringLiteral(text: string): string {
  const letters = [...new TextEncoder().encode(text)].map((byte) => {
    const letter = String.fromCharCode(byte);
    // A question mark might begin a trigraph.
    if (byte < 0x20 || byte > 0x7e || letter === '?') return `\\${byte.toString(8).padStart(3, '0')}`;
    return letter === '"' || letter === '\\' ? `\\${letter}` : letter;
  });
  return `"${letters.join('')}"`;
}
