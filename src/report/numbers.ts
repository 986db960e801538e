import type { Figure } from './story.ts';

/** A number with three significant digits, thousands separated; small ones in powers of ten. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return value.toExponential(2);
  const places = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places });
}

const SCALES: Record<string, readonly (readonly [number, string])[]> = {
  B: [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
    [1, 'B'],
  ],
  J: [
    [1, 'J'],
    [1e-3, 'mJ'],
    [1e-6, 'µJ'],
  ],
  s: [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
  ],
  ms: [
    [1000, 's'],
    [1, 'ms'],
    [1e-3, 'µs'],
  ],
};

/** A value in the unit that suits its size. */
export function quantity(value: number, unit: string): string {
  const scale = SCALES[unit];
  if (scale !== undefined && value !== 0) {
    const [factor, name] = scale.find(([least]) => Math.abs(value) >= least) ?? scale.at(-1)!;
    return `${digits(value / factor)} ${name}`;
  }
  if (unit === '%') return `${value.toFixed(2)} %`;
  if (unit === 'USD') return `$${digits(value)}`;
  if (unit === '1/s') return `${digits(value)}/s`;
  if (unit === '1' || unit === '') return digits(value);
  return `${digits(value)} ${unit}`;
}

export function show(figure: Figure | undefined): string {
  return figure === undefined ? '–' : quantity(figure.value, figure.unit);
}

/** The interval of a figure, or nothing. */
export function showInterval(figure: Figure | undefined): string {
  if (figure?.low === undefined || figure.high === undefined) return '';
  return `${quantity(figure.low, figure.unit)} to ${quantity(figure.high, figure.unit)}`;
}
