import { useId } from 'preact/hooks';

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What stands at its end. */
  readonly text: string;
  readonly strong?: boolean;
}

/** Horizontal bars with their figures: a table to those who do not see them. */
export function Bars(props: { title: string; about: string; bars: readonly Bar[]; empty: string }) {
  const { title, about, bars, empty } = props;
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h3 id={id}>{title}</h3>
        <p>{about}</p>
      </header>
      {bars.length === 0 ? <p class="empty">{empty}</p> : <BarList bars={bars} labelledBy={id} />}
    </section>
  );
}

export function BarList({ bars, labelledBy }: { bars: readonly Bar[]; labelledBy?: string }) {
  const most = Math.max(...bars.map((bar) => bar.value), Number.MIN_VALUE);
  return (
    <ul class="bars" aria-labelledby={labelledBy}>
      {bars.map(({ label, value, text, strong }) => (
        <li key={label} class={strong ? 'strong' : ''}>
          <span class="label">{label}</span>
          <span class="track">
            <span class="fill" style={{ width: `${(100 * Math.max(0, value)) / most}%` }} />
          </span>
          <span class="figure">{text}</span>
        </li>
      ))}
    </ul>
  );
}
