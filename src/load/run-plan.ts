import { fail } from '../base/index.ts';
import type { Clock } from './clock.ts';
import { runClosedLoop } from './closed-loop.ts';
import { runOpenLoop } from './open-loop.ts';
import type { Ran, RunHooks, RunPlan } from './plan.ts';
import type { System } from './system.ts';

/** Runs one load against a system. Never throws for what the system answers. Throws USAGE_BAD_OPTION. */
export function runPlan(system: System, plan: RunPlan, clock: Clock, hooks: RunHooks = {}): Promise<Ran> {
  if (system.samples < 1) throw fail('DATA_EMPTY', 'there is no sample to send');
  return plan.kind === 'open'
    ? runOpenLoop(system, plan, clock, hooks)
    : runClosedLoop(system, plan, clock, hooks);
}
