import type { Measured } from './measured.ts';
import type { GeneratorCpu } from './messages.ts';
import type { LatencyFigures, LoadResult } from './result.ts';

/** Share of the time that the generator's loop may be busy before it counts as the bottleneck. */
const BUSY = 0.85;
/** Its lateness may be this share of the latencies. */
const LATE = 0.1;

export interface WarningFacts {
  readonly measured: Measured;
  readonly cpu: GeneratorCpu;
  readonly lateness: LoadResult['lateness'];
  readonly latency: LatencyFigures | undefined;
  /** The model runs in the process of the generator. */
  readonly inProcess: boolean;
  readonly open: boolean;
}

/** What keeps the figures from being those of the target alone. */
export function warningsOf({ measured, cpu, lateness, latency, open }: WarningFacts): string[] {
  const warnings: string[] = [];
  const { outcomes, queries } = measured;
  const busy = Math.max(cpu.loopUtilization, cpu.threadSeconds / Math.max(1e-9, cpu.wallSeconds));
  if (busy > BUSY) {
    warnings.push(
      `the generator was the bottleneck: its thread was busy ${Math.round(busy * 100)} % of the time; the target may answer more than this`,
    );
  }
  const p99 = latency?.p99.value ?? undefined;
  if (lateness !== undefined && p99 !== undefined && lateness.p99 > LATE * p99) {
    warnings.push(
      `the generator was late: 1 % of the queries were sent ${lateness.p99.toPrecision(2)} ms or more after they were due, which is ${Math.round((100 * lateness.p99) / p99)} % of the 99th percentile; the machine had no core for it in time`,
    );
  }
  if (outcomes['not-sent'] > 0) {
    warnings.push(
      `${outcomes['not-sent']} queries were not sent, since as many were outstanding as may be; they count as not answered`,
    );
  }
  if (outcomes.cancelled > 0 && open) {
    warnings.push(
      `${outcomes.cancelled} queries still waited when the run was ended; those that had waited long count with that time, so high percentiles are at least what is said`,
    );
  }
  const lost = queries - outcomes.ok - outcomes.cancelled;
  if (lost > 0) {
    warnings.push(
      `${lost} of ${queries} queries were not answered; they count as endless in the latencies and as above any bound`,
    );
  }
  return warnings;
}
