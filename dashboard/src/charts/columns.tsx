import { useId } from 'preact/hooks';
import { count } from '../format.ts';

/** A histogram: columns side by side, the label of each below it. */
export function Columns(props: {
  title: string;
  about: string;
  rows: readonly { readonly label: string; readonly value: number; readonly text: string }[];
  empty: string;
}) {
  const { title, about, rows, empty } = props;
  const id = useId();
  const most = Math.max(...rows.map((row) => row.value), 1);
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h3 id={id}>{title}</h3>
        <p>{about}</p>
      </header>
      {rows.length === 0 ? (
        <p class="empty">{empty}</p>
      ) : (
        <ol class="columns" aria-labelledby={id}>
          {rows.map(({ label, value, text }) => (
            <li key={label} title={`${label}: ${text}`}>
              <span class="figure">{count(value)}</span>
              <span class="column" style={{ height: `${(100 * value) / most}%` }} />
              <span class="label">{label}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
