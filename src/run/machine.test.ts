import assert from 'node:assert/strict';
import { availableParallelism, totalmem } from 'node:os';
import { test } from 'node:test';
import { availableCores } from './cores.ts';
import { featuresOfCpuinfo, featuresOfSysctl, physicalCoresOf } from './cpu-features.ts';
import { describeMachine } from './machine.ts';

const XEON = `processor\t: 0
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse4_1 avx avx2 fma f16c avx512f avx512bw avx512vl avx512_vnni amx_tile amx_int8 amx_bf16 avx_vnni

processor\t: 1
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse4_1

processor\t: 2
physical id\t: 1
core id\t\t: 0
flags\t\t: fpu sse4_1
`;
const GRAVITON = 'processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp sve i8mm bf16\n';

test('instruction sets are read from what Linux and macOS print', () => {
  assert.deepEqual(
    featuresOfCpuinfo(XEON).filter((name) => /vnni|amx/.test(name)),
    ['amx_bf16', 'amx_int8', 'amx_tile', 'avx512_vnni', 'avx_vnni'],
  );
  assert.deepEqual(featuresOfCpuinfo(GRAVITON), [
    'neon',
    'neon_bf16',
    'neon_dotprod',
    'neon_fp16',
    'neon_i8mm',
    'sve',
  ]);
  assert.deepEqual(featuresOfCpuinfo(''), []);
  const mac = 'hw.optional.AdvSIMD: 1\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\n';
  assert.deepEqual(featuresOfSysctl(mac), ['neon', 'neon_dotprod']);
});

test('physical cores are pairs of package and core', () => {
  assert.equal(physicalCoresOf(XEON), 2);
  assert.equal(physicalCoresOf(GRAVITON), undefined);
});

test('this machine is described, and its id is stable', () => {
  const machine = describeMachine();
  assert.match(machine.id, /^[0-9a-f]{8}$/);
  assert.equal(describeMachine().id, machine.id);
  assert.notEqual(machine.cpu, '');
  assert.ok(machine.availableCores >= 1 && machine.availableCores <= availableParallelism());
  assert.equal(machine.availableCores, availableCores());
  assert.ok(machine.memoryBytes > 0 && machine.memoryBytes <= totalmem());
  assert.equal(machine.versions.node, process.versions.node);
  assert.match(machine.versions.onnxruntime, /^1\.\d+/);
  assert.match(machine.versions.modicum, /^\d+\.\d+/);
  if (process.platform === 'linux' && process.arch === 'x64') assert.ok(machine.features.includes('sse4_1'));
});
