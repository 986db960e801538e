import { Random } from '../../base/index.ts';
import { ServiceCurve } from './curve.ts';
import { type FixedOptions, FixedScheduler } from './fixed.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';
import { VirtualClock } from './virtual-clock.ts';
import type { Refusal, Work } from './work.ts';

/** A request of a simulation. Times in ms. */
export interface Arrival {
  readonly at: number;
  /** Default 1. */
  readonly samples?: number;
  /** ms after its arrival. */
  readonly within: number;
  /** Default 2. */
  readonly priority?: number;
}

/** ms that a batch takes, drawn anew for each. */
export type ServiceTime = (samples: number, random: Random) => number;

export interface SimulationOptions {
  readonly service: ServiceTime;
  readonly lanes: number;
  readonly maxBatch: number;
  readonly seed: number;
  /** Ours, learning the curve as it goes, or a fixed size and delay. */
  readonly policy:
    | ({ readonly kind: 'slo' } & Partial<Omit<SchedulerOptions, 'lanes'>>)
    | ({ readonly kind: 'fixed' } & Omit<FixedOptions, 'lanes' | 'maxBatch'> & {
          readonly maxBatch?: number;
        });
  /** Ours: batches of each power of two that the curve has seen before, as a server's warm-up runs them. Default 4. */
  readonly warmUp?: number;
}

export type Fate = 'answered' | 'refused' | 'missed';

/** What became of a request. */
export interface Outcome {
  readonly fate: Fate;
  /** ms from arrival to the answer, or to the refusal. */
  readonly ms: number;
  readonly inTime: boolean;
  /** Samples of its batch; 0: it was not computed. */
  readonly batch: number;
}

export interface Simulated {
  /** In the order of the arrivals. */
  readonly outcomes: readonly Outcome[];
  readonly batches: number;
  /** Requests that were settled more than once: 0, or there is a fault. */
  readonly repeated: number;
  /** ms that lanes were computing, in sum. */
  readonly busyMs: number;
  /** ms from the first arrival until all was done. */
  readonly spanMs: number;
}

interface Request extends Work {
  readonly index: number;
}

/** Plays arrivals against a policy in virtual time. The same options and seed give the same outcomes. */
export function simulate(arrivals: readonly Arrival[], options: SimulationOptions): Simulated {
  const { service, lanes, maxBatch, seed, policy, warmUp = 4 } = options;
  const random = new Random(seed);
  const clock = new VirtualClock();
  const outcomes = new Array<Outcome>(arrivals.length);
  const curve = new ServiceCurve({ maxBatch });
  let [batches, busyMs, repeated] = [0, 0, 0];
  const settle = (request: Request, fate: Fate, batch: number) => {
    if (outcomes[request.index] !== undefined) repeated++;
    const now = clock.now();
    const inTime = fate === 'answered' && now <= request.deadline;
    outcomes[request.index] = { fate, ms: now - request.arrived, inTime, batch };
  };
  let done: (lane: number, ms: number) => void;
  const hooks = {
    run(batch: readonly Request[], lane: number) {
      const samples = batch.reduce((sum, request) => sum + request.samples, 0);
      const ms = service(samples, random);
      batches++;
      busyMs += ms;
      clock.at(clock.now() + ms, () => {
        for (const request of batch) settle(request, 'answered', samples);
        done(lane, ms);
      });
    },
    missed: (request: Request) => settle(request, 'missed', 0),
  };
  let offer: (request: Request) => Refusal | undefined;
  if (policy.kind === 'slo') {
    for (let n = 1; n <= maxBatch; n *= 2) {
      for (let i = 0; i < warmUp; i++) curve.observe(n, service(n, random));
    }
    const goalMs = arrivals[0]?.within ?? 1;
    const scheduler = new Scheduler<Request>(
      { goalMs, maxQueue: 1e6, maxQueueBytes: 1e12, prefer: 'latency', ...policy, lanes },
      clock,
      hooks,
    );
    done = (lane, ms) => scheduler.done(lane, ms);
    offer = (request) => scheduler.reserve([request]) ?? scheduler.ready([request]);
  } else {
    const scheduler = new FixedScheduler<Request>({ maxBatch, ...policy, lanes }, clock, hooks);
    done = (lane) => scheduler.done(lane);
    offer = (request) => scheduler.offer(request);
  }
  const group = { curve, maxBatch };
  const arrive = (index: number) => {
    const arrival = arrivals[index];
    if (arrival === undefined) return;
    clock.at(arrival.at, () => {
      const { at, within, samples = 1, priority = 2 } = arrival;
      const request: Request = {
        index,
        samples,
        arrived: at,
        deadline: at + within,
        priority,
        bytes: 0,
        group,
      };
      if (offer(request) !== undefined) settle(request, 'refused', 0);
      arrive(index + 1);
    });
  };
  arrive(0);
  clock.run();
  return { outcomes, batches, busyMs, repeated, spanMs: clock.now() - (arrivals[0]?.at ?? 0) };
}
