import { finite, quantileOf } from './latency-figures.ts';
import type { Measured } from './measured.ts';
import type { LoadWindow } from './result.ts';

const MOST_WINDOWS = 60;
const ROUND = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];

/** A run in windows of a round length. */
export function timelineOf(measured: Measured, samplesPerEntry: number): LoadWindow[] {
  const { seconds, queries, scheduled, done, latency, outcome, size } = measured;
  if (!(seconds > 0)) return [];
  const length = ROUND.find((one) => seconds / one <= MOST_WINDOWS) ?? seconds / MOST_WINDOWS;
  const count = Math.max(1, Math.ceil(seconds / length - 1e-9));
  const windows = Array.from({ length: count }, () => ({
    scheduled: 0,
    failed: 0,
    answered: 0,
    times: [] as number[],
  }));
  const windowAt = (ms: number) => windows[Math.floor(ms / 1000 / length)];
  for (let i = 0; i < queries; i++) {
    const window = windows[Math.min(count - 1, Math.floor(scheduled[i]! / 1000 / length))]!;
    window.scheduled++;
    if (outcome[i] === 'ok') {
      window.times.push(latency[i]!);
      const answering = windowAt(done[i]!);
      if (answering !== undefined) answering.answered += size[i]! * samplesPerEntry;
    } else if (outcome[i] !== 'cancelled') window.failed++;
  }
  return windows.map(({ scheduled, failed, answered, times }, i) => {
    const sorted = Float64Array.from(times).sort();
    // The last one may be cut short.
    const lasts = Math.min(length, seconds - i * length);
    return {
      at: i * length,
      seconds: lasts,
      scheduled,
      failed,
      throughput: lasts > 0 ? answered / lasts : 0,
      p50: finite(quantileOf(sorted, 0.5)),
      p99: finite(quantileOf(sorted, 0.99)),
    };
  });
}
