import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CpuShareOfPower } from './power.ts';
import { openTariff } from './tariff.ts';

/** A tree of one package, as Linux shows it. */
async function packageCounter(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'modicum-power-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const zone = join(root, 'intel-rapl:0');
  await mkdir(zone);
  await writeFile(join(zone, 'name'), 'package-0\n');
  await writeFile(join(zone, 'max_energy_range_uj'), '262143328850\n');
  const set = (joules: number) => writeFile(join(zone, 'energy_uj'), `${Math.round(joules * 1e6)}\n`);
  await set(0);
  return { root, set };
}

test('the draw above idle falls on busy time, the idle draw on all cores alike', async (t) => {
  const { root, set } = await packageCounter(t);
  const machine = { ms: 0, busy: 0, all: 0, joules: 0 };
  const power = await CpuShareOfPower.open(
    root,
    () => ({ busy: machine.busy, all: machine.all }),
    () => machine.ms,
  );
  assert.ok(power);
  t.after(() => power.close());
  /** A second on four cores. */
  const second = async (watts: number, busy: number) => {
    machine.ms += 1000;
    machine.all += 4;
    machine.busy += busy;
    machine.joules += watts;
    await set(machine.joules);
    await power.look();
  };
  await second(20, 0);
  assert.equal(power.wattsPerBusyCore(), undefined);
  await second(50, 2);
  // (50 - 20) / 2 busy cores + 20 / 4 cores.
  assert.ok(Math.abs(power.wattsPerBusyCore()! - 20) < 1e-6, String(power.wattsPerBusyCore()));
  await second(20, 0.01);
  assert.ok(Math.abs(power.wattsPerBusyCore()! - 20) < 1e-6, 'an idle second says nothing of work');
  for (let i = 0; i < 30; i++) await second(80, 4);
  // (80 - 20) / 4 + 20 / 4: all of the draw on all of the time.
  assert.ok(Math.abs(power.wattsPerBusyCore()! - 20) < 0.01);
  for (let i = 0; i < 30; i++) await second(120, 4);
  assert.ok(Math.abs(power.wattsPerBusyCore()! - 30) < 0.01, 'it follows');
});

test('without any counter there is no share', async (t) => {
  const empty = await mkdtemp(join(tmpdir(), 'modicum-power-'));
  t.after(() => rm(empty, { recursive: true, force: true }));
  assert.equal(await CpuShareOfPower.open(empty), undefined);
});

test('a tariff takes declared watts first, then counters, then the table, and says which', async (t) => {
  const { root } = await packageCounter(t);
  const base = { cores: 4, cpu: 'AMD EPYC 7763 64-Core Processor', powercap: '/nowhere' };
  const declared = await openTariff({ ...base, wattsPerCore: 5, powercap: root });
  assert.deepEqual([declared.method, declared.joules(2)], ['watts-declared', 10]);
  const table = await openTariff(base);
  assert.equal(table.method, 'watts-table');
  assert.ok(Math.abs(table.joules(1)! - 280 / 128) < 1e-9);
  assert.match(table.origin, /EPYC 7763/);
  const unknown = await openTariff({ ...base, cpu: 'Abacus 3000' });
  assert.deepEqual(
    [unknown.method, unknown.joules(1), unknown.dollars(1)],
    ['unknown', undefined, undefined],
  );
  if (process.platform === 'linux') {
    const counter = await openTariff({ ...base, powercap: root });
    t.after(() => counter.close());
    assert.equal(counter.method, 'rapl-share');
  }
});

test('dollars are the share of the machine-hour that the CPU time took', async () => {
  const base = { cores: 4, cpu: 'Abacus 3000', powercap: '/nowhere' };
  const given = await openTariff({ ...base, price: 3.6 });
  assert.ok(Math.abs(given.dollars(4)! - 0.001) < 1e-12, 'one second of all cores');
  const listed = await openTariff({ ...base, price: 'c7i.large' });
  assert.equal(listed.perHour, 0.08925);
  assert.match(listed.priceOrigin!, /c7i\.large/);
  await assert.rejects(openTariff({ ...base, price: 'abacus.large' }), { code: 'PRICE_UNKNOWN' });
});
