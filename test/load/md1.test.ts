import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { latencyFigures, quantileOf } from '../../src/load/latency-figures.ts';
import { measuredOf } from '../../src/load/measured.ts';
import type { OpenPlan, Ran } from '../../src/load/plan.ts';
import { runPlan } from '../../src/load/run-plan.ts';
import { md1Server, meanWait, waitCdf, waitQuantile } from './md1.ts';
import { VirtualClock } from './virtual-clock.ts';

const SERVICE_MS = 1;

function plan(rate: number, seconds: number, seed: number): OpenPlan {
  return {
    kind: 'open',
    arrivals: { kind: 'poisson', rate },
    seed,
    seconds,
    minQueries: 0,
    warmUpSeconds: 1,
    timeoutMs: 1e6,
    maxOutstanding: 1e6,
  };
}

/** A Poisson load on a server of a fixed service time, in virtual time. */
function load(rho: number, seconds: number, seed: number, stall?: { at: number; ms: number }): Promise<Ran> {
  const clock = new VirtualClock();
  return clock.run(
    runPlan(md1Server(clock, SERVICE_MS, stall), plan((rho * 1000) / SERVICE_MS, seconds, seed), clock),
  );
}

const STALL = { at: 30_000, ms: 1000 };
// Before the first test: from then on every promise of the process is watched by the runner, which makes this four times slower.
const WAITS = [
  { rho: 0.5, seconds: 300, ran: await load(0.5, 300, 1) },
  { rho: 0.7, seconds: 400, ran: await load(0.7, 400, 1) },
];
// 60 s at 10 % load: 1/60 of the queries are due in the stall, and wait half a second in the mean.
const STALLED = await load(0.1, 60, 1, STALL);
const QUIET = await load(0.1, 60, 1);

describe('the generator against what is known of an M/D/1 queue', () => {
  test('the formulas agree with each other', () => {
    for (const rho of [0.3, 0.5, 0.8]) {
      const step = 0.002;
      let mean = 0;
      for (let t = step / 2; t < 60; t += step) mean += (1 - waitCdf(rho, t)) * step;
      assert.ok(Math.abs(mean / meanWait(rho) - 1) < 1e-3, `${mean} at ${rho}`);
      assert.ok(Math.abs(waitCdf(rho, 0) - (1 - rho)) < 1e-12);
    }
  });

  for (const { rho, seconds, ran } of WAITS) {
    test(`waiting times at ${rho * 100} % load: mean and 99th percentile within 3 %`, () => {
      const measured = measuredOf(ran);
      assert.ok(
        Math.abs(measured.queries / (rho * 1000 * seconds) - 1) < 0.02,
        `${measured.queries} queries`,
      );
      const waits = measured.latency.map((ms) => (ms - SERVICE_MS) / SERVICE_MS).sort();
      const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
      assert.ok(Math.abs(mean / meanWait(rho) - 1) < 0.03, `mean ${mean}, known ${meanWait(rho)}`);
      const p99 = quantileOf(waits, 0.99);
      const known = waitQuantile(rho, 0.99);
      assert.ok(Math.abs(p99 / known - 1) < 0.03, `p99 ${p99}, known ${known}`);
      // What is reported is the same, with the service time, and its interval holds the known value.
      const figures = latencyFigures(measured.latency, 1)!;
      assert.ok(Math.abs(figures.mean.value! - (mean + 1)) < 1e-6);
      assert.ok(figures.mean.low! < meanWait(rho) + 1 && figures.mean.high! > meanWait(rho) + 1);
    });
  }

  test('a stall of one second shows in the 99th percentile, and would not by the time of sending', async () => {
    const stalled = measuredOf(STALLED);
    const quiet = measuredOf(QUIET);
    assert.ok(quantileOf(quiet.latency.slice().sort(), 0.99) < 3);
    assert.ok(quantileOf(stalled.latency.slice().sort(), 0.99) > 300);
    // The planted fault: a generator that sends the next query when one is answered, and counts from there. It meets the stall once.
    const clock = new VirtualClock();
    const ran = await clock.run(
      runPlan(
        md1Server(clock, SERVICE_MS, STALL),
        {
          ...plan(100, 60, 1),
          kind: 'closed',
          samplesPerQuery: 1,
          concurrency: 1,
        },
        clock,
      ),
    );
    const fooled = measuredOf(ran).latency.slice().sort();
    assert.ok(fooled.at(-1)! > 900, 'it was there');
    assert.ok(quantileOf(fooled, 0.99) < 3, 'and the percentile does not show it');
  });
});
