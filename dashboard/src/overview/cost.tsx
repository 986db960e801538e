import type { ModelTotal, ServerFacts } from '../../../src/serve/observe/series.ts';
import { count, digits, dollars, joules, NOTHING } from '../format.ts';
import { energyMethod } from '../server/energy-methods.ts';

/** Where the figures of energy and money come from, and what the model has used since it was loaded. */
export function Cost({ server, total }: { server: ServerFacts; total: ModelTotal }) {
  const { energy, money, grid } = server;
  const grams =
    grid === undefined || total.joules === null ? undefined : (total.joules / 3.6e6) * grid.gramsPerKwh;
  return (
    <section class="card cost" aria-label="Cost and how it is known">
      <dl>
        <dt>Since it was loaded</dt>
        <dd>
          {count(total.samples)} samples in {count(total.batches)} batches, {digits(total.cpuSeconds)} CPU
          seconds
          {total.joules === null ? '' : `, ${joules(total.joules)}`}
          {total.dollars === null ? '' : `, ${dollars(total.dollars)}`}
          {grams === undefined ? '' : `, ${digits(grams)} g CO₂e (${grid?.region})`}
        </dd>
        <dt>Energy</dt>
        <dd>
          {sentence(energyMethod(energy.method))} {sentence(energy.origin)}
        </dd>
        <dt>Money</dt>
        <dd>
          {money === undefined
            ? `${NOTHING} No price is set.`
            : `Share of CPU time times ${dollars(money.perHour)} an hour: ${money.origin}.`}
        </dd>
      </dl>
    </section>
  );
}

function sentence(text: string): string {
  return text === '' ? '' : `${text[0]!.toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}
