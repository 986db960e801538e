import { fail } from '../../base/index.ts';

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [34, 92, 91, 93, 123, 125];

/** Throws REQUEST_INVALID where JSON nests deeper than `most`, before anything follows it down. */
export function checkDepth(json: Uint8Array, most: number): void {
  // Few brackets are no depth, and native search finds them sooner.
  if (countUpTo(json, OPEN_LIST, most) + countUpTo(json, OPEN_OBJECT, most) <= most) return;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (quoted) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth += 1;
      if (depth > most) throw fail('REQUEST_INVALID', `its JSON nests deeper than ${most}`);
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
  }
}

function countUpTo(bytes: Uint8Array, byte: number, most: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte); at >= 0 && count <= most; at = bytes.indexOf(byte, at + 1)) count += 1;
  return count;
}
