import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findPowercap, PowercapMeter } from './powercap.ts';

/** A tree as Linux shows it: zone id to name and counter. */
async function tree(t: TestContext, zones: Record<string, { name: string; energy: number; max?: number }>) {
  const root = await mkdtemp(join(tmpdir(), 'modicum-powercap-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'intel-rapl'));
  const set = (id: string, energy: number) => writeFile(join(root, id, 'energy_uj'), `${energy}\n`);
  for (const [id, { name, energy, max = 262143328850 }] of Object.entries(zones)) {
    await mkdir(join(root, id));
    await writeFile(join(root, id, 'name'), `${name}\n`);
    await writeFile(join(root, id, 'max_energy_range_uj'), `${max}\n`);
    await set(id, energy);
  }
  return { root, set };
}

const laptop = {
  'intel-rapl:0': { name: 'package-0', energy: 1e6 },
  'intel-rapl:0:0': { name: 'core', energy: 1e6 },
  'intel-rapl:0:1': { name: 'uncore', energy: 1e6 },
  'intel-rapl:0:2': { name: 'dram', energy: 1e6 },
  'intel-rapl:1': { name: 'psys', energy: 1e6 },
  'intel-rapl-mmio:0': { name: 'package-0', energy: 1e6 },
};

test('nested zones are counted once: package and dram, not core, uncore, psys or the mmio twin', async (t) => {
  const { root, set } = await tree(t, laptop);
  const { zones, left, why } = await findPowercap(root);
  assert.equal(why, undefined);
  assert.deepEqual(zones.map(({ name }) => name).sort(), ['dram', 'package-0']);
  assert.equal(left.length, 4);
  const meter = new PowercapMeter(zones);
  await meter.start();
  for (const id of Object.keys(laptop)) await set(id, 11e6);
  assert.equal(await meter.stop(), 20);
});

test('two sockets are summed, psys stands alone where there is no package', async (t) => {
  const server = await tree(t, {
    'intel-rapl:0': { name: 'package-0', energy: 0 },
    'intel-rapl:1': { name: 'package-1', energy: 0 },
    'intel-rapl:1:0': { name: 'dram', energy: 0 },
  });
  assert.equal((await findPowercap(server.root)).zones.length, 3);
  const odd = await tree(t, { 'intel-rapl:0': { name: 'psys', energy: 0 } });
  assert.deepEqual(
    (await findPowercap(odd.root)).zones.map(({ name }) => name),
    ['psys'],
  );
});

test('a counter that wraps, twice, loses nothing as long as each wrap is polled', async (t) => {
  const { root, set } = await tree(t, { 'intel-rapl:0': { name: 'package-0', energy: 90e6, max: 100e6 } });
  const meter = new PowercapMeter((await findPowercap(root)).zones);
  await meter.start();
  await set('intel-rapl:0', 10e6);
  await meter.poll();
  await set('intel-rapl:0', 95e6);
  await meter.poll();
  await set('intel-rapl:0', 5e6);
  assert.equal(await meter.stop(), 20 + 85 + 10);
});

test('the meter polls by itself', async (t) => {
  const { root, set } = await tree(t, { 'intel-rapl:0': { name: 'package-0', energy: 90e6, max: 100e6 } });
  const meter = new PowercapMeter((await findPowercap(root)).zones, 5);
  await meter.start();
  await set('intel-rapl:0', 99e6);
  // Without a poll in between, 99 -> 98 would look like one wrap less 1 J; with it, 9 J and then 99 J.
  await new Promise((resolve) => setTimeout(resolve, 200));
  await set('intel-rapl:0', 98e6);
  assert.equal(await meter.stop(), 9 + 99);
});

test('no permission, no tree, a broken counter: no zones and the reason', async (t) => {
  assert.match((await findPowercap(join(tmpdir(), 'modicum-none'))).why ?? '', /there is no/);
  const broken = await tree(t, { 'intel-rapl:0': { name: 'package-0', energy: 0 } });
  await writeFile(join(broken.root, 'intel-rapl:0', 'energy_uj'), 'gone');
  const found = await findPowercap(broken.root);
  assert.equal(found.zones.length, 0);
  assert.match(found.left[0]?.why ?? '', /no number/);
});

test('counters that only root may read are said to be so', async (t) => {
  const { root } = await tree(t, laptop);
  await chmod(root, 0o755);
  await chmod(join(root, 'intel-rapl:0', 'energy_uj'), 0);
  // Root may read everything: look as nobody.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid!(65534);
  const found = await findPowercap(root).finally(() => isRoot && process.seteuid!(0));
  assert.deepEqual(found.zones, []);
  assert.match(found.why ?? '', /no permission to read intel-rapl:0 .*root/);
});
