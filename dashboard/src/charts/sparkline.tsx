import type { Values } from '../live/snapshot.ts';

const WIDTH = 120;
const HEIGHT = 28;
/** More points than pixels show nothing more. */
const POINTS = 60;

/** A line without axes, for a row of a table. */
export function Sparkline({ values, label }: { values: Values; label: string }) {
  const group = Math.max(1, Math.ceil(values.length / POINTS));
  const points: number[] = [];
  for (let i = 0; i < values.length; i += group) {
    const part = values.slice(i, i + group);
    points.push(part.reduce<number>((total, value) => total + (value ?? 0), 0) / part.length);
  }
  const most = Math.max(...points, Number.MIN_VALUE);
  const x = (i: number) => (points.length < 2 ? 0 : (i * WIDTH) / (points.length - 1)).toFixed(1);
  const y = (value: number) => (HEIGHT - 2 - (value / most) * (HEIGHT - 5)).toFixed(1);
  const path = points.map((value, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(value)}`).join('');
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path class="area" d={`${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
      <path class="line" d={path} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
