import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CPU_POWER, wattsPerCore } from './cpu-power.ts';
import { measureEnergy } from './energy.ts';
import { GpuPowerMeter, joulesOf, parsePowerLine } from './gpu-power.ts';
import { findRecord } from './recorder.ts';

const nowhere = join(tmpdir(), 'modicum-no-powercap');

function busy(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

test('with counters: joules of the zones by samples, measured', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'modicum-energy-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const zone = join(root, 'intel-rapl:0');
  await mkdir(zone);
  await writeFile(join(zone, 'name'), 'package-0\n');
  await writeFile(join(zone, 'max_energy_range_uj'), '1000000000\n');
  await writeFile(join(zone, 'energy_uj'), '999000000\n');
  // Every call draws 30 J for 10 inferences; the first one wraps the counter.
  const records = await measureEnergy(
    async () => {
      const now = Number(await readFile(join(zone, 'energy_uj'), 'utf8'));
      await writeFile(join(zone, 'energy_uj'), `${(now + 30e6) % 1e9}\n`);
      return 10;
    },
    { powercap: root, machine: 'm', repeats: 3 },
  );
  const energy = findRecord(records, 'energy.per-inference')!;
  assert.ok(Math.abs(energy.value - 3) < 1e-9);
  assert.equal(energy.how, 'measured');
  assert.match(energy.method, /RAPL counters \(package-0\)/);
  assert.deepEqual([energy.interval?.level, energy.n], [0.75, 3]);
});

test('without counters: CPU seconds times watts, estimated, with bounds that say why', async () => {
  const records = await measureEnergy(
    async () => {
      busy(20);
      return undefined;
    },
    { powercap: nowhere, machine: 'm', repeats: 3, samples: 2, cpu: 'AMD EPYC 7763 64-Core Processor' },
  );
  const energy = findRecord(records, 'energy.per-inference')!;
  const cpu = findRecord(records, 'cpu.per-inference')!;
  assert.equal(energy.how, 'estimated');
  assert.ok(cpu.value > 0.001);
  assert.ok(Math.abs(energy.value / cpu.value - 280 / 128) < 1e-9);
  assert.ok(Math.abs(energy.interval!.low - (cpu.interval!.low * 140) / 128) < 1e-9);
  assert.ok(Math.abs(energy.interval!.high - (cpu.interval!.high * 420) / 128) < 1e-9);
  assert.match(energy.method, /EPYC 7763 .*\+-50 %.*no counter: there is no/);
});

test('declared watts beat the table; an unknown processor gives CPU seconds only', async () => {
  const work = async () => {
    busy(5);
    return 1;
  };
  const declared = await measureEnergy(work, {
    powercap: nowhere,
    machine: 'm',
    repeats: 2,
    wattsPerCore: 4,
    cpu: 'Z80',
  });
  const energy = findRecord(declared, 'energy.per-inference')!;
  assert.ok(Math.abs(energy.value / findRecord(declared, 'cpu.per-inference')!.value - 4) < 1e-9);
  const unknown = await measureEnergy(work, { powercap: nowhere, machine: 'm', repeats: 2, cpu: 'Z80' });
  assert.equal(findRecord(unknown, 'energy.per-inference'), undefined);
  const only = findRecord(unknown, 'energy.unknown')!;
  assert.equal(only.unit, 's');
  assert.match(only.method, /Energy unknown, CPU seconds only/);
});

test('the table knows models and falls back on families', () => {
  for (const { name, tdpWatts, threads, model } of CPU_POWER) {
    assert.ok(model.test(`Some ${name} Processor @ 2.0GHz`), name);
    assert.ok(tdpWatts / threads > 0.5 && tdpWatts / threads < 10, name);
  }
  assert.match(wattsPerCore('Intel(R) Xeon(R) Platinum 8480+')!.origin, /Platinum 8480\+/);
  assert.match(wattsPerCore('Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz')!.origin, /i5-8250U/);
  const family = wattsPerCore('AMD EPYC')!;
  assert.match(family.origin, /mean TDP per thread of \d+ AMD EPYC/);
  assert.ok(family.low < 0.8 && family.high > 3 && family.low < family.watts && family.watts < family.high);
  assert.match(wattsPerCore('Intel(R) Xeon(R) Processor @ 2.90GHz')!.origin, /Intel Xeon/);
  // A longer model number is another processor.
  assert.match(wattsPerCore('AMD EPYC 7763X')!.origin, /mean TDP/);
  assert.equal(wattsPerCore('Neoverse-V1'), undefined);
});

test('power samples become joules by trapezoids between the ends', () => {
  const samples = [0, 100, 200, 300].map((at) => ({ at, watts: 100 + at }));
  assert.ok(Math.abs(joulesOf(samples, 100, 200)! - 25) < 1e-9);
  assert.ok(
    Math.abs(
      joulesOf(
        [
          { at: 0, watts: 50 },
          { at: 10, watts: 50 },
        ],
        0,
        2000,
      )! - 100,
    ) < 1e-9,
  );
  assert.equal(joulesOf(samples.slice(0, 1), 0, 1), undefined);
  assert.deepEqual(parsePowerLine('1, 71.32'), { gpu: 1, watts: 71.32 });
  assert.equal(parsePowerLine('0, [N/A]'), undefined);
});

test('the GPU meter reads a stream of lines, and says why there is none', async (t) => {
  assert.match((await new GpuPowerMeter('modicum-no-such-command').start()) ?? '', /does not start/);
  const folder = await mkdtemp(join(tmpdir(), 'modicum-smi-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const fake = join(folder, 'smi');
  await writeFile(fake, `#!/bin/sh\nwhile true; do echo "0, 50.0"; echo "1, 25.0"; sleep 0.02; done\n`, {
    mode: 0o755,
  });
  const meter = new GpuPowerMeter(fake);
  assert.equal(await meter.start(), undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const from = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const until = performance.now();
  const joules = meter.joules(from, until)!;
  meter.stop();
  assert.ok(Math.abs(joules / ((until - from) / 1000) - 75) < 0.01);
});
