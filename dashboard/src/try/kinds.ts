import type { Port } from '../server/model.ts';
import { isNumeric } from '../server/tensors.ts';

/** The ways an input can be given. */
export const KINDS = {
  drawing: 'Draw',
  picture: 'Picture',
  sound: 'Sound',
  numbers: 'Numbers',
  text: 'Text',
  json: 'JSON',
} as const;
export type Kind = keyof typeof KINDS;

/** Where rows, columns and colours of a picture lie. */
export interface Layout {
  readonly channels: 1 | 3 | 4;
  /** Axes; colour is -1 where there is none. */
  readonly row: number;
  readonly column: number;
  readonly color: number;
}

/** More fields than this are no form any more. */
const MOST_FIELDS = 48;
const NO_PICTURE = /mfcc|mel|spec|feat|fbank|embed|hidden|state|cache/i;
const SOUND = /audio|wav|sound|speech|pcm|signal|voice/i;

export function layoutOf({ shape, datatype }: Port): Layout | undefined {
  if (!isNumeric(datatype) || datatype === 'BOOL') return undefined;
  const side = (dim: number | undefined) => dim === -1 || (dim ?? 0) >= 8;
  const colors = (dim: number | undefined): dim is 1 | 3 | 4 => dim === 1 || dim === 3 || dim === 4;
  const one = shape[0] === 1 || shape[0] === -1;
  const [, a, b, c] = shape;
  if (shape.length === 4 && one) {
    if (colors(a) && side(b) && side(c)) return { channels: a, color: 1, row: 2, column: 3 };
    if (colors(c) && side(a) && side(b)) return { channels: c, color: 3, row: 1, column: 2 };
  }
  if (shape.length === 3 && one && side(a) && side(b) && a! > 0 && b! > 0)
    return { channels: 1, color: -1, row: 1, column: 2 };
  return undefined;
}

function mayBeSound({ shape, datatype }: Port): boolean {
  const last = shape.at(-1);
  if (shape.length === 0 || shape.length > 3 || last === undefined) return false;
  const others = shape.slice(0, -1).every((dim) => dim === 1 || dim === -1);
  return ['FP32', 'FP16', 'INT16', 'FP64'].includes(datatype) && others && (last === -1 || last >= 256);
}

/** Elements of one sample; undefined where some dimension beside the first is open. */
export function fixedSize({ shape }: Port): number | undefined {
  const dims = shape.map((dim, axis) => (dim === -1 && axis === 0 ? 1 : dim));
  return dims.includes(-1) ? undefined : dims.reduce((product, dim) => product * dim, 1);
}

/** How an input can be given, the likeliest first. `rate`: the model says a sample rate. */
export function kindsOf(port: Port, rate = false): Kind[] {
  const { name, datatype, shape } = port;
  if (!isNumeric(datatype)) return datatype === 'BYTES' ? ['text', 'json'] : ['json'];
  const found = new Map<Kind, number>([['json', 0]]);
  const layout = layoutOf(port);
  if (layout !== undefined) {
    const likely = !NO_PICTURE.test(name);
    const [rows, columns] = [shape[layout.row]!, shape[layout.column]!];
    const small = layout.channels === 1 && rows === columns && rows > 0 && rows <= 64;
    found.set('picture', likely ? 3 : -1);
    if (layout.channels === 1) found.set('drawing', likely ? (small ? 4 : 2) : -2);
  }
  if (mayBeSound(port)) found.set('sound', SOUND.test(name) || rate || shape.at(-1)! >= 4000 ? 5 : -1);
  const size = fixedSize(port);
  if (size !== undefined && size >= 1 && size <= MOST_FIELDS) found.set('numbers', 2.5);
  // Fields say it all: a list in brackets would only be another way to write them.
  if (found.has('numbers') && found.size === 2) found.delete('json');
  return [...found].sort((a, b) => b[1] - a[1]).map(([kind]) => kind);
}
