import { fail } from '../base/index.ts';

/** The learning rate over a run: a factor of the rate that was asked for, by the share of the run that is done (0 to 1). */
export interface Schedule {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  factor(done: number): number;
}

/** Every schedule by name: a new one is a row here. */
export const SCHEDULES = {
  cosine: {
    name: 'cosine',
    summary: 'down to a hundredth along half a cosine (Loshchilov and Hutter 2017)',
    factor: (done) => 0.01 + (0.99 * (1 + Math.cos(Math.PI * done))) / 2,
  },
  step: {
    name: 'step',
    summary: 'a tenth after half of the run, a hundredth after three quarters',
    factor: (done) => (done < 0.5 ? 1 : done < 0.75 ? 0.1 : 0.01),
  },
  linear: { name: 'linear', summary: 'down to nothing along a line', factor: (done) => 1 - done },
  constant: { name: 'constant', summary: 'the same all along', factor: () => 1 },
} as const satisfies Record<string, Schedule>;

export type ScheduleName = keyof typeof SCHEDULES;

/** Throws USAGE_BAD_OPTION, naming those there are. */
export function scheduleByName(name: string): Schedule {
  const found: Schedule | undefined = Object.hasOwn(SCHEDULES, name)
    ? SCHEDULES[name as ScheduleName]
    : undefined;
  if (found !== undefined) return found;
  throw fail('USAGE_BAD_OPTION', `no schedule "${name}"; there are ${Object.keys(SCHEDULES).join(', ')}`);
}

/** The rate at step `step` (from 0) of `steps`: rises along a line for `warmUp` steps, then follows the schedule. */
export function rateAt(
  schedule: Schedule,
  rate: number,
  step: number,
  steps: number,
  warmUp: number,
): number {
  if (step < warmUp) return (rate * (step + 1)) / warmUp;
  const left = Math.max(1, steps - warmUp);
  return rate * schedule.factor(Math.min(1, (step - warmUp) / left));
}
