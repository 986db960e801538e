import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bucket } from './bucket.ts';

test('a burst passes, then the rate holds', () => {
  const bucket = new Bucket(10, 0, 5);
  for (let i = 0; i < 5; i++) assert.equal(bucket.take(1, 0), 0);
  assert.equal(bucket.take(1, 0), 100);
  assert.equal(bucket.take(1, 50), 50);
  assert.equal(bucket.take(1, 100), 0);
  assert.ok(bucket.take(1, 100) > 0);
});

test('over a long time no more passes than the rate, whatever the sizes', () => {
  const bucket = new Bucket(100, 0, 20);
  let passed = 0;
  for (let now = 0; now <= 60_000; now += 1) {
    const amount = 1 + ((now * 7919) % 64);
    if (bucket.take(amount, now) === 0) passed += amount;
  }
  assert.ok(passed <= 100 * 60 + 20 + 64, String(passed));
  assert.ok(passed >= 100 * 60 * 0.95, String(passed));
});

test('what is larger than the bucket passes once the bucket is full, and is owed', () => {
  const bucket = new Bucket(10, 0, 10);
  assert.equal(bucket.take(50, 0), 0);
  assert.equal(bucket.take(1, 0), 4100);
  assert.equal(bucket.take(1, 4100), 0);
});

test('a clock that goes back gives nothing', () => {
  const bucket = new Bucket(1, 1000, 1);
  assert.equal(bucket.take(1, 1000), 0);
  assert.equal(bucket.take(1, 0), 1000);
  assert.equal(bucket.take(1, 2000), 0);
});
