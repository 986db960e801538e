/** A float that C reads back to the same bits; undefined for infinities and NaN, which C has no literals for. */
export function floatLiteral(value: number): string | undefined {
  if (!Number.isFinite(value)) return undefined;
  if (value === 0) return Object.is(value, -0) ? '-0.0F' : '0.0F';
  const spacing = 2 ** Math.max(Math.floor(Math.log2(Math.abs(value))) - 23, -149);
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    // Well within the numbers that round to it, so that no compiler's way of rounding matters.
    if (Math.abs(Number(text) - value) < spacing / 5) return literal(text);
  }
  return literal(value.toPrecision(9));
}

function literal(text: string): string {
  const [mantissa = '', exponent] = text.split('e');
  const digits = mantissa.includes('.') ? mantissa.replace(/0+$/, '').replace(/\.$/, '.0') : `${mantissa}.0`;
  return `${digits}${exponent === undefined ? '' : `e${exponent.replace('+', '')}`}F`;
}

export function intLiteral(value: number): string {
  return value === -(2 ** 31) ? '(-2147483647 - 1)' : String(value);
}

export function longLiteral(value: bigint): string {
  return value === -(2n ** 63n) ? '(-9223372036854775807LL - 1LL)' : `${value}LL`;
}

const bits = new DataView(new ArrayBuffer(4));

/** The bits of a float as an unsigned literal. */
export function bitsLiteral(value: number): string {
  bits.setFloat32(0, value);
  return `0x${bits.getUint32(0).toString(16).padStart(8, '0')}U`;
}
