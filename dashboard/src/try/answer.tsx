import type { Tensor } from '../../../src/client/browser.ts';
import { datatypeOf } from '../../../src/protocol/index.ts';
import { BarList } from '../charts/bars.tsx';
import { digits, ms, percent } from '../format.ts';
import type { Answered } from '../server/infer.ts';
import { elementsOf } from '../server/tensors.ts';
import { type Classes, classesOf } from './classes.ts';
import { costRows } from './cost-rows.ts';

const SHOWN = 64;

/** What the model has answered, and what that has cost. */
export function Answer({ answer, labels }: { answer: Answered; labels: readonly string[] }) {
  const version = answer.version === undefined ? [] : [['Version', answer.version] as const];
  const rows = [...costRows(answer.cost), ...version];
  return (
    <>
      {Object.entries(answer.outputs).map(([name, tensor]) => (
        <Output key={name} name={name} tensor={tensor} labels={labels} />
      ))}
      <section class="receipt" aria-label="What it has cost">
        <h3>What it has cost</h3>
        <dl>
          <dt>Round trip</dt>
          <dd>{ms(answer.ms)}, as this browser saw it</dd>
          {rows.map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </>
          ))}
        </dl>
      </section>
    </>
  );
}

function Output({ name, tensor, labels }: { name: string; tensor: Tensor; labels: readonly string[] }) {
  const classes = classesOf(tensor, labels);
  const data = elementsOf(tensor);
  return (
    <section class="output" aria-label={`Output ${name}`}>
      <h3>
        {name} <code>{`${datatypeOf(tensor.dtype)} [${tensor.dims.join(', ')}]`}</code>
      </h3>
      {classes !== undefined && <Top classes={classes} />}
      {classes === undefined && data.length === 1 && <p class="verdict">{shown(data[0]!)}</p>}
      {(classes === undefined && data.length !== 1) || data.length > 1 ? (
        <details open={classes === undefined}>
          <summary>{tensor.dtype === 'string' ? 'Texts' : 'Raw numbers'}</summary>
          <Raw name={name} data={data} labels={classes === undefined ? [] : labels} />
        </details>
      ) : null}
    </section>
  );
}

function Top({ classes: { top, softmax } }: { classes: Classes }) {
  const best = top[0]!;
  const bars = top.map(({ label, probability }, i) => {
    return { label, value: probability, text: percent(probability), strong: i === 0 };
  });
  return (
    <>
      <p class="verdict">
        {best.label} <small>{percent(best.probability)}</small>
      </p>
      <BarList bars={bars} />
      {softmax && <p class="quiet">Percentages are the softmax of the scores that the model gives.</p>}
    </>
  );
}

function Raw(props: { name: string; data: ReturnType<typeof elementsOf>; labels: readonly string[] }) {
  const { name, data, labels } = props;
  const values = Array.from(data);
  const text = () =>
    JSON.stringify(values.map((value) => (typeof value === 'bigint' ? Number(value) : value)));
  return (
    <>
      <ol class="raw" start={0}>
        {values.slice(0, SHOWN).map((value, i) => (
          <li key={i}>
            <span>{labels[i] ?? i}</span> {shown(value)}
          </li>
        ))}
      </ol>
      <p class="row">
        {values.length > SHOWN && (
          <span class="quiet">
            the first {SHOWN} of {values.length.toLocaleString('en-US')}
          </span>
        )}
        <button
          type="button"
          class="button small"
          aria-label={`Copy ${name} as JSON`}
          onClick={() => void navigator.clipboard.writeText(text())}
        >
          Copy as JSON
        </button>
      </p>
    </>
  );
}

function shown(value: number | bigint | string): string {
  return typeof value === 'number' ? digits(value) : String(value);
}
