/** Types of values on WebAssembly's stack. */
export type WasmType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** An instruction: how it is encoded, what it takes from the stack and what it leaves there. */
export interface Opcode {
  /** Bytes before any immediate. */
  readonly code: readonly number[];
  readonly takes: readonly WasmType[];
  readonly gives: WasmType | undefined;
  /** For loads and stores: log2 of the natural alignment. */
  readonly align?: number;
  /** True where a lane number follows. */
  readonly lane?: true;
  /** Beyond SIMD128: an engine may lack it. */
  readonly relaxed?: true;
}

const LETTERS = { i: 'i32', I: 'i64', f: 'f32', F: 'f64', v: 'v128' } as const satisfies Record<
  string,
  WasmType
>;

type Row = readonly [name: string, code: number, signature: string, extra?: number | 'lane'];

/** `signature` is "takes>gives" in the letters above; `extra` the alignment of a memory access, or 'lane'. */
const PLAIN: readonly Row[] = [
  ['i32.eqz', 0x45, 'i>i'],
  ['i32.eq', 0x46, 'ii>i'],
  ['i32.ne', 0x47, 'ii>i'],
  ['i32.lt_s', 0x48, 'ii>i'],
  ['i32.lt_u', 0x49, 'ii>i'],
  ['i32.gt_s', 0x4a, 'ii>i'],
  ['i32.gt_u', 0x4b, 'ii>i'],
  ['i32.le_s', 0x4c, 'ii>i'],
  ['i32.ge_s', 0x4e, 'ii>i'],
  ['i32.ge_u', 0x4f, 'ii>i'],
  ['i32.add', 0x6a, 'ii>i'],
  ['i32.sub', 0x6b, 'ii>i'],
  ['i32.mul', 0x6c, 'ii>i'],
  ['i32.and', 0x71, 'ii>i'],
  ['i32.or', 0x72, 'ii>i'],
  ['i32.xor', 0x73, 'ii>i'],
  ['i32.shl', 0x74, 'ii>i'],
  ['i32.shr_s', 0x75, 'ii>i'],
  ['i32.shr_u', 0x76, 'ii>i'],
  ['f32.eq', 0x5b, 'ff>i'],
  ['f32.ne', 0x5c, 'ff>i'],
  ['f32.lt', 0x5d, 'ff>i'],
  ['f32.gt', 0x5e, 'ff>i'],
  ['f32.le', 0x5f, 'ff>i'],
  ['f32.ge', 0x60, 'ff>i'],
  ['f32.abs', 0x8b, 'f>f'],
  ['f32.neg', 0x8c, 'f>f'],
  ['f32.ceil', 0x8d, 'f>f'],
  ['f32.floor', 0x8e, 'f>f'],
  ['f32.trunc', 0x8f, 'f>f'],
  ['f32.nearest', 0x90, 'f>f'],
  ['f32.sqrt', 0x91, 'f>f'],
  ['f32.add', 0x92, 'ff>f'],
  ['f32.sub', 0x93, 'ff>f'],
  ['f32.mul', 0x94, 'ff>f'],
  ['f32.div', 0x95, 'ff>f'],
  ['i32.wrap_i64', 0xa7, 'I>i'],
  ['i64.extend_i32_s', 0xac, 'i>I'],
  ['f32.convert_i32_s', 0xb2, 'i>f'],
  ['f32.convert_i64_s', 0xb4, 'I>f'],
  ['i32.reinterpret_f32', 0xbc, 'f>i'],
  ['f32.reinterpret_i32', 0xbe, 'i>f'],
  ['select.f32', 0x1b, 'ffi>f'],
  ['select.i32', 0x1b, 'iii>i'],
  ['i32.load', 0x28, 'i>i', 2],
  ['i64.load', 0x29, 'i>I', 3],
  ['f32.load', 0x2a, 'i>f', 2],
  ['i32.load8_s', 0x2c, 'i>i', 0],
  ['i32.load8_u', 0x2d, 'i>i', 0],
  ['i32.load16_s', 0x2e, 'i>i', 1],
  ['i32.store', 0x36, 'ii>', 2],
  ['i64.store', 0x37, 'iI>', 3],
  ['f32.store', 0x38, 'if>', 2],
  ['i32.store8', 0x3a, 'ii>', 0],
  ['i32.store16', 0x3b, 'ii>', 1],
];

/** After the byte 0xfc. */
const MISC: readonly Row[] = [
  ['i32.trunc_sat_f32_s', 0, 'f>i'],
  ['i64.trunc_sat_f32_s', 4, 'f>I'],
];

/** After the byte 0xfd; from 0x100 on they are relaxed. */
const VECTOR: readonly Row[] = [
  ['v128.load', 0, 'i>v', 4],
  ['i16x8.load8x8_s', 1, 'i>v', 3],
  ['i16x8.load8x8_u', 2, 'i>v', 3],
  ['i32x4.load16x4_s', 3, 'i>v', 3],
  ['v128.load32_splat', 9, 'i>v', 2],
  ['v128.load64_splat', 10, 'i>v', 3],
  ['v128.store', 11, 'iv>', 4],
  ['i16x8.splat', 16, 'i>v'],
  ['i32x4.splat', 17, 'i>v'],
  ['f32x4.splat', 19, 'f>v'],
  ['i32x4.extract_lane', 27, 'v>i', 'lane'],
  ['f32x4.extract_lane', 31, 'v>f', 'lane'],
  ['i32x4.eq', 55, 'vv>v'],
  ['i32x4.lt_s', 57, 'vv>v'],
  ['i32x4.gt_s', 59, 'vv>v'],
  ['f32x4.eq', 65, 'vv>v'],
  ['f32x4.ne', 66, 'vv>v'],
  ['f32x4.lt', 67, 'vv>v'],
  ['f32x4.gt', 68, 'vv>v'],
  ['f32x4.le', 69, 'vv>v'],
  ['f32x4.ge', 70, 'vv>v'],
  ['v128.not', 77, 'v>v'],
  ['v128.and', 78, 'vv>v'],
  ['v128.andnot', 79, 'vv>v'],
  ['v128.or', 80, 'vv>v'],
  ['v128.xor', 81, 'vv>v'],
  ['v128.bitselect', 82, 'vvv>v'],
  ['v128.store8_lane', 88, 'iv>', 0],
  ['v128.store16_lane', 89, 'iv>', 1],
  ['v128.store32_lane', 90, 'iv>', 2],
  ['v128.store64_lane', 91, 'iv>', 3],
  ['v128.load32_zero', 92, 'i>v', 2],
  ['v128.load64_zero', 93, 'i>v', 3],
  ['i8x16.narrow_i16x8_s', 101, 'vv>v'],
  ['i8x16.narrow_i16x8_u', 102, 'vv>v'],
  ['f32x4.ceil', 103, 'v>v'],
  ['f32x4.floor', 104, 'v>v'],
  ['f32x4.trunc', 105, 'v>v'],
  ['f32x4.nearest', 106, 'v>v'],
  ['i16x8.narrow_i32x4_s', 133, 'vv>v'],
  ['i16x8.extend_low_i8x16_u', 137, 'v>v'],
  ['i16x8.add', 142, 'vv>v'],
  ['i16x8.sub', 145, 'vv>v'],
  ['i16x8.min_s', 150, 'vv>v'],
  ['i16x8.max_s', 152, 'vv>v'],
  ['i32x4.extend_low_i16x8_s', 167, 'v>v'],
  ['i32x4.extend_high_i16x8_s', 168, 'v>v'],
  ['i32x4.shl', 171, 'vi>v'],
  ['i32x4.shr_s', 172, 'vi>v'],
  ['i32x4.shr_u', 173, 'vi>v'],
  ['i32x4.add', 174, 'vv>v'],
  ['i32x4.sub', 177, 'vv>v'],
  ['i32x4.mul', 181, 'vv>v'],
  ['i32x4.min_s', 182, 'vv>v'],
  ['i32x4.max_s', 184, 'vv>v'],
  ['i32x4.dot_i16x8_s', 186, 'vv>v'],
  ['f32x4.abs', 224, 'v>v'],
  ['f32x4.neg', 225, 'v>v'],
  ['f32x4.sqrt', 227, 'v>v'],
  ['f32x4.add', 228, 'vv>v'],
  ['f32x4.sub', 229, 'vv>v'],
  ['f32x4.mul', 230, 'vv>v'],
  ['f32x4.div', 231, 'vv>v'],
  ['f32x4.pmin', 234, 'vv>v'],
  ['f32x4.pmax', 235, 'vv>v'],
  ['i32x4.trunc_sat_f32x4_s', 248, 'v>v'],
  ['f32x4.convert_i32x4_s', 250, 'v>v'],
  ['f32x4.relaxed_madd', 0x105, 'vvv>v'],
  ['i32x4.relaxed_dot_i8x16_i7x16_add_s', 0x113, 'vvv>v'],
];

/** Lanes of stores by lane: those follow the memory immediate. */
const STORES_LANE = /^v128\.store\d+_lane$/;

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 128 : low);
  } while (rest > 0);
  return bytes;
}

const types = (letters: string): WasmType[] =>
  [...letters].map((letter) => LETTERS[letter as keyof typeof LETTERS]);

function opcode([name, code, signature, extra]: Row, prefix: number | undefined): [string, Opcode] {
  const [takes = '', gives = ''] = signature.split('>');
  const lane = extra === 'lane' || STORES_LANE.test(name);
  return [
    name,
    {
      code: prefix === undefined ? [code] : [prefix, ...unsigned(code)],
      takes: types(takes),
      gives: types(gives)[0],
      ...(typeof extra === 'number' && { align: extra }),
      ...(lane && { lane: true as const }),
      ...(prefix === 0xfd && code >= 0x100 && { relaxed: true as const }),
    },
  ];
}

/** Every instruction that the compiler uses, by its name in the text format. */
export const OPCODES: ReadonlyMap<string, Opcode> = new Map([
  ...PLAIN.map((row) => opcode(row, undefined)),
  ...MISC.map((row) => opcode(row, 0xfc)),
  ...VECTOR.map((row) => opcode(row, 0xfd)),
]);
