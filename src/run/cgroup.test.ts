import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cpuQuota, memoryLimit } from './cgroup.ts';

/** Runs with a hierarchy of control groups made of these files. */
function withTree(files: Record<string, string>, membership: string, check: (places: object) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'modicum-test-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    check({ root, membership });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('without control groups there is no limit', () => {
  withTree({}, '', (places) => {
    assert.equal(cpuQuota(places), undefined);
    assert.equal(memoryLimit(places), undefined);
  });
  const unlimited = {
    'cpu.max': 'max 100000\n',
    'memory.max': 'max\n',
    'cpu/cpu.cfs_quota_us': '-1\n',
    'cpu/cpu.cfs_period_us': '100000\n',
    'memory/memory.limit_in_bytes': '9223372036854771712\n',
  };
  withTree(unlimited, '0::/\n', (places) => {
    assert.equal(cpuQuota(places), undefined);
    assert.equal(memoryLimit(places), undefined);
  });
});

test('version 2: the lowest limit from the own group up to the root binds', () => {
  const files = {
    'cpu.max': '400000 100000\n',
    'a/cpu.max': '150000 100000\n',
    'a/b/cpu.max': 'max 100000\n',
    'a/b/memory.max': '1048576\n',
    'other/cpu.max': '1000 100000\n',
  };
  withTree(files, '0::/a/b\n', (places) => {
    assert.equal(cpuQuota(places), 1.5);
    assert.equal(memoryLimit(places), 1048576);
  });
});

test('version 1: each controller has a hierarchy of its own', () => {
  const files = {
    'cpu/x/cpu.cfs_quota_us': '250000\n',
    'cpu/x/cpu.cfs_period_us': '100000\n',
    'memory/y/memory.limit_in_bytes': '2097152\n',
    'memory/memory.limit_in_bytes': '9223372036854771712\n',
  };
  withTree(files, '4:cpu,cpuacct:/x\n3:memory:/y\n', (places) => {
    assert.equal(cpuQuota(places), 2.5);
    assert.equal(memoryLimit(places), 2097152);
  });
});
