/*
 * What WebAssembly has instructions for and C has not, as small functions. Only those that a model needs are written. `P_`
 * stands for the model's prefix.
 */

interface Helper {
  readonly text: string;
  readonly needs?: readonly string[];
}

const get = (type: string, member: string, name: string, sign = 'const '): Helper => ({
  text: `static inline ${type} P_${name}(${sign}uint8_t *p) { return ((const P_cell_${member} *)(const void *)p)->v; }`,
  needs: [`cell_${member}`],
});

const put = (type: string, member: string, name: string, cast = ''): Helper => ({
  text: `static inline void P_${name}(uint8_t *p, ${type} v) { ((P_cell_${member} *)(void *)p)->v = ${cast}v; }`,
  needs: [`cell_${member}`],
});

/*
 * Memory is reused for numbers of other types, and copied without regard to them. Access through a union with a byte in it is
 * how C compilers are told so.
 */
const cell = (type: string, member: string): Helper => ({
  text: `typedef union { ${type} v; uint8_t byte; } P_cell_${member};`,
});

const wrapping = (name: string, sign: string): Helper => ({
  text: `static inline int32_t P_${name}(int32_t a, int32_t b) { return (int32_t)((uint32_t)a ${sign} (uint32_t)b); }`,
});

const OF_BITS = ['of_bits', 'bits'];

/** In the order in which they are written. */
export const HELPERS: Readonly<Record<string, Helper>> = {
  cell_f32: cell('float', 'f32'),
  cell_i64: cell('int64_t', 'i64'),
  cell_i32: cell('int32_t', 'i32'),
  cell_i16: cell('int16_t', 'i16'),
  get_f32: get('float', 'f32', 'get_f32'),
  get_i64: get('int64_t', 'i64', 'get_i64'),
  get_i32: get('int32_t', 'i32', 'get_i32'),
  get_i16: get('int32_t', 'i16', 'get_i16'),
  get_i8: {
    text: 'static inline int32_t P_get_i8(const uint8_t *p) { return *(const int8_t *)(const void *)p; }',
  },
  get_u8: { text: 'static inline int32_t P_get_u8(const uint8_t *p) { return *p; }' },
  put_f32: put('float', 'f32', 'put_f32'),
  put_i64: put('int64_t', 'i64', 'put_i64'),
  put_i32: put('int32_t', 'i32', 'put_i32'),
  put_i16: put('int32_t', 'i16', 'put_i16', '(int16_t)'),
  put_i8: { text: 'static inline void P_put_i8(uint8_t *p, int32_t v) { *p = (uint8_t)v; }' },
  add: wrapping('add', '+'),
  sub: wrapping('sub', '-'),
  mul: wrapping('mul', '*'),
  shl: wrapping('shl', '<<'),
  shr_u: wrapping('shr_u', '>>'),
  shr_s: {
    text: 'static inline int32_t P_shr_s(int32_t a, int32_t b) { return (a < 0) ? ~(~a >> b) : (a >> b); }',
  },
  bits: {
    text: `static inline uint32_t P_bits(float x)
{
    union { float f; uint32_t u; } both;
    both.f = x;
    return both.u;
}`,
  },
  of_bits: {
    text: `static inline float P_of_bits(uint32_t x)
{
    union { float f; uint32_t u; } both;
    both.u = x;
    return both.f;
}`,
  },
  abs: {
    text: 'static inline float P_abs(float x) { return P_of_bits(P_bits(x) & 0x7fffffffU); }',
    needs: OF_BITS,
  },
  with_sign: {
    text: `static inline float P_with_sign(float size, float sign)
{
    return P_of_bits(P_bits(size) | (P_bits(sign) & 0x80000000U));
}`,
    needs: OF_BITS,
  },
  nearest: {
    text: `/* To the nearest whole number, halves to even. */
static float P_nearest(float x)
{
    const float a = P_abs(x);
    return (a < 8388608.0F) ? P_with_sign((a + 8388608.0F) - 8388608.0F, x) : x;
}`,
    needs: ['abs', 'with_sign'],
  },
  trunc: {
    text: `static inline float P_trunc(float x)
{
    return (P_abs(x) < 8388608.0F) ? P_with_sign(P_abs((float)(int32_t)x), x) : x;
}`,
    needs: ['abs', 'with_sign'],
  },
  floor: {
    text: `static inline float P_floor(float x)
{
    const float t = P_trunc(x);
    return (t > x) ? (t - 1.0F) : t;
}`,
    needs: ['trunc'],
  },
  ceil: {
    text: `static inline float P_ceil(float x)
{
    const float t = P_trunc(x);
    return (t < x) ? P_with_sign(P_abs(t + 1.0F), x) : t;
}`,
    needs: ['trunc', 'abs', 'with_sign'],
  },
  to_i32: {
    text: `/* Toward zero; what does not fit saturates, and what is no number is 0. */
static int32_t P_to_i32(float x)
{
    if (x >= 2147483648.0F) { return 2147483647; }
    if (x < -2147483648.0F) { return -2147483647 - 1; }
    return (x == x) ? (int32_t)x : 0;
}`,
  },
  round: {
    text: `/* As P_to_i32 of P_nearest: the sum's last bits are the whole number, rounded by the processor. */
static int32_t P_round(float x)
{
    if ((x > -4194304.0F) && (x < 4194304.0F)) { return (int32_t)(P_bits(x + 12582912.0F) - 0x4b400000U); }
    return P_to_i32(P_nearest(x));
}`,
    needs: ['bits', 'to_i32', 'nearest'],
  },
  to_i64: {
    text: `static inline int64_t P_to_i64(float x)
{
    if (x >= 9223372036854775808.0F) { return 9223372036854775807LL; }
    if (x < -9223372036854775808.0F) { return -9223372036854775807LL - 1LL; }
    return (x == x) ? (int64_t)x : 0;
}`,
  },
  copy: {
    text: `static inline void P_copy(uint8_t *to, const uint8_t *from, int32_t bytes)
{
    int32_t i;
    for (i = 0; i < bytes; i++) { to[i] = from[i]; }
}`,
  },
  fill: {
    text: `static inline void P_fill(uint8_t *to, uint8_t byte, int32_t bytes)
{
    int32_t i;
    for (i = 0; i < bytes; i++) { to[i] = byte; }
}`,
  },
};

/** The helpers of these names and what they need, in C. */
export function helpersText(names: ReadonlySet<string>, prefix: string): string {
  const wanted = new Set<string>();
  const want = (name: string): void => {
    wanted.add(name);
    for (const other of HELPERS[name]?.needs ?? []) want(other);
  };
  for (const name of names) want(name);
  return Object.entries(HELPERS)
    .filter(([name]) => wanted.has(name))
    .map(([, { text }]) => `${text.replaceAll('P_', `${prefix}_`)}\n`)
    .join('\n');
}
