import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModicumError } from '../base/index.ts';
import { carbonPerMillion, costPerMillion } from './cost.ts';
import { GRID, gridOf } from './grid.ts';
import { PRICES, priceOf } from './prices.ts';
import type { Measurement } from './record.ts';

const measured: Measurement = {
  what: 'throughput',
  value: 1000,
  unit: '1/s',
  interval: { low: 900, high: 1100, level: 0.95, method: 'bootstrap' },
  how: 'measured',
  method: '',
  n: 5000,
  settings: { batch: 8 },
  machine: 'm',
  at: '2026-01-01T00:00:00.000Z',
};
const code = (call: () => unknown) => {
  try {
    call();
  } catch (thrown) {
    return (thrown as ModicumError).code;
  }
  return undefined;
};

test('dollars per million: price per hour by the inferences of an hour, intervals turned round', () => {
  const [full, part] = costPerMillion(measured, { price: 0.36, utilisation: 0.5 });
  assert.ok(Math.abs(full!.value - 0.1) < 1e-12);
  assert.ok(Math.abs(part!.value - 0.2) < 1e-12);
  assert.ok(Math.abs(full!.interval!.low - 0.36 / (1100 * 3600 * 1e-6)) < 1e-12);
  assert.ok(full!.interval!.low < full!.value && full!.value < full!.interval!.high);
  assert.equal(full!.how, 'modelled');
  assert.deepEqual([part!.settings?.utilisation, part!.settings?.batch], [0.5, 8]);
  assert.equal(costPerMillion(measured, { price: 1, utilisation: 1 }).length, 1);
});

test('a listed machine brings its date and source into the record', () => {
  const [full] = costPerMillion(measured, { price: 'C7I.LARGE' });
  const row = priceOf('c7i.large');
  assert.ok(Math.abs(full!.value - (row.perHour / 3.6e6) * 1e6) < 1e-12);
  assert.ok(full!.method.includes(row.asOf) && full!.method.includes(row.source));
});

test('what is not listed or no price is refused', () => {
  assert.equal(
    code(() => costPerMillion(measured, { price: 'cray-1' })),
    'PRICE_UNKNOWN',
  );
  assert.equal(
    code(() => costPerMillion(measured, { price: -1 })),
    'USAGE_BAD_OPTION',
  );
  assert.equal(
    code(() => costPerMillion(measured, { price: 1, utilisation: 0 })),
    'USAGE_BAD_OPTION',
  );
  assert.equal(
    code(() => gridOf('atlantis')),
    'PRICE_UNKNOWN',
  );
});

test('CO2 per million: joules to kWh times the intensity of the grid', () => {
  const energy: Measurement = {
    ...measured,
    what: 'energy.per-inference',
    unit: 'J',
    value: 3.6,
    how: 'estimated',
  };
  const world = carbonPerMillion(energy);
  assert.ok(Math.abs(world.value - 475) < 1e-9);
  assert.match(world.method, /475 g\/kWh, the mean of 2019/);
  assert.ok(Math.abs(carbonPerMillion(energy, 'FR').value - 56) < 1e-9);
  assert.equal(gridOf('eu-west-3').region, 'fr');
});

test('every row of both lists is dated, sourced and plausible', () => {
  assert.equal(new Set(PRICES.map(({ name }) => name)).size, PRICES.length);
  for (const row of PRICES) {
    assert.match(row.asOf, /^\d{4}-\d{2}-\d{2}$/);
    assert.ok(!Number.isNaN(Date.parse(row.asOf)) && row.obtained.length > 10);
    assert.equal(new URL(row.source).protocol, 'https:');
    // A core of a rented machine costs a few cents an hour.
    assert.ok(
      row.gpu !== undefined || (row.perHour / row.cpus > 0.01 && row.perHour / row.cpus < 0.1),
      row.name,
    );
    assert.equal(gridOf(row.region).region, 'us');
  }
  assert.equal(new Set(GRID.map(({ region }) => region)).size, GRID.length);
  for (const row of GRID) {
    assert.ok(row.gramsPerKwh > 10 && row.gramsPerKwh < 1000 && row.year >= 2019);
    assert.match(row.source, /https:\/\//);
  }
});
