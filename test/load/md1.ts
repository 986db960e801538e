import type { System } from '../../src/load/system.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** One server that takes exactly `serviceMs` for each query, in the order of their coming, on a virtual clock. */
export function md1Server(
  clock: VirtualClock,
  serviceMs: number,
  stall?: { at: number; ms: number },
): System {
  let free = 0;
  return {
    samples: 1,
    answer: () => {
      let start = Math.max(free, clock.now());
      if (stall !== undefined && start >= stall.at && start < stall.at + stall.ms)
        start = stall.at + stall.ms;
      free = start + serviceMs;
      return clock.at(free);
    },
  };
}

/** Mean time that a query waits in an M/D/1 queue, in service times (Pollaczek and Khinchine). */
export function meanWait(rho: number): number {
  return rho / (2 * (1 - rho));
}

/**
 * P(waiting time <= t) of an M/D/1 queue, t in service times, by its embedded chain: with p_n the share of departures that leave n
 * behind, and t = k + rest, P(W <= t) = sum over j <= k of p-cumulated(k - j) times Poisson(rest rho)'s j-th term (Franx 2001,
 * "A simple solution for the M/D/c waiting time distribution", for c = 1).
 */
export function waitCdf(rho: number, t: number): number {
  const k = Math.floor(t);
  const rest = (k + 1 - t) * rho;
  const queue = queueCdf(rho, k);
  let sum = 0;
  let term = Math.exp(-rest);
  for (let j = 0; j <= k; j++) {
    sum += queue[k - j]! * term;
    term *= rest / (j + 1);
  }
  return sum;
}

/** The waiting time, in service times, within which a share q of the queries is. */
export function waitQuantile(rho: number, q: number): number {
  let [low, high] = [0, 200];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (waitCdf(rho, middle) < q) low = middle;
    else high = middle;
  }
  return high;
}

/** P(at most n wait in line, without the one in service), n = 0..most. */
function queueCdf(rho: number, most: number): number[] {
  // Stationary chain of the number in the system at departures: p_n, from p_0 = 1 - rho and Poisson arrivals in a service.
  const arrive = [Math.exp(-rho)];
  for (let j = 1; j <= most + 3; j++) arrive.push((arrive[j - 1]! * rho) / j);
  const p = [1 - rho];
  for (let n = 0; n <= most + 1; n++) {
    let sum = p[n]! - p[0]! * arrive[n]!;
    for (let j = 1; j <= n; j++) sum -= p[j]! * arrive[n - j + 1]!;
    p.push(sum / arrive[0]!);
  }
  const cdf: number[] = [];
  let total = p[0]!;
  for (let n = 0; n <= most; n++) {
    total += p[n + 1]!;
    cdf.push(total);
  }
  return cdf;
}
