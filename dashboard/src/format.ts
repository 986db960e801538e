/** Numbers as people read them: three digits, the unit that suits, nothing where there is nothing. */
export const NOTHING = '–';

export function digits(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e12 || size < 1e-4) return value.toExponential(1);
  const places = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(places, 6) });
}

type Scale = readonly (readonly [least: number, unit: string])[];

const TIME: Scale = [
  [1000, 's'],
  [1, 'ms'],
  [1e-3, 'µs'],
];
const ENERGY: Scale = [
  [3.6e6, 'kWh'],
  [1000, 'kJ'],
  [1, 'J'],
  [1e-3, 'mJ'],
  [1e-6, 'µJ'],
];
const BYTES: Scale = [
  [1e9, 'GB'],
  [1e6, 'MB'],
  [1e3, 'kB'],
  [1, 'B'],
];
/** From where on, divided by what. */
const COUNT = [
  [1e9, 1e9, 'G'],
  [1e6, 1e6, 'M'],
  [1e4, 1e3, 'k'],
] as const;

function scaled(value: number | null | undefined, scale: Scale, smallest: string): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  if (value === 0) return `0 ${smallest}`;
  const [factor, unit] = scale.find(([least]) => Math.abs(value) >= least) ?? scale.at(-1)!;
  return `${digits(value / factor)} ${unit}`;
}

export const ms = (value: number | null | undefined) => scaled(value, TIME, 'ms');
export const joules = (value: number | null | undefined) => scaled(value, ENERGY, 'J');
export const bytes = (value: number | null | undefined) => scaled(value, BYTES, 'B');

export function dollars(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  return `$${digits(value)}`;
}

/** Counts and rates. */
export function count(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const found = COUNT.find(([least]) => Math.abs(value) >= least);
  if (found === undefined) return digits(value);
  return `${digits(value / found[1])} ${found[2]}`;
}

export function percent(share: number | null | undefined): string {
  if (share == null || !Number.isFinite(share)) return NOTHING;
  if (share > 0 && share < 0.001) return '< 0.1 %';
  return `${(share * 100).toFixed(share < 0.1 && share > 0 ? 1 : 0)} %`;
}

/** Seconds as "3 min", "2 h 5 min". */
export function span(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Seconds since 1970 as the time of day here. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB');
}
