import { useId } from 'preact/hooks';
import { count, percent } from '../format.ts';

/** Parts of a whole: one bar cut into pieces, and what each is. */
export function Shares(props: {
  title: string;
  about: string;
  parts: readonly { readonly label: string; readonly value: number }[];
  empty: string;
}) {
  const { title, about, parts, empty } = props;
  const id = useId();
  const whole = parts.reduce((total, part) => total + part.value, 0);
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h3 id={id}>{title}</h3>
        <p>{about}</p>
      </header>
      {whole === 0 ? (
        <p class="empty">{empty}</p>
      ) : (
        <>
          <div class="shares" aria-hidden="true">
            {parts.map(({ label, value }, i) => (
              <span key={label} class={`part part-${i % 6}`} style={{ width: `${(100 * value) / whole}%` }} />
            ))}
          </div>
          <ul class="legend stacked" aria-labelledby={id}>
            {parts.map(({ label, value }, i) => (
              <li key={label}>
                <i class={`mark part-${i % 6}`} />
                {label} <b>{percent(value / whole)}</b> <span class="quiet">{count(value)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
