import { readFileSync } from 'node:fs';
import { CATALOGUE, fail, ModicumError, messageOf } from '../base/index.ts';
import { unpackFetches } from '../run/index.ts';
import type { Answer, Ask, GeneratorCpu } from './messages.ts';
import { type OpenedTarget, openTarget } from './open-target.ts';
import { RealClock } from './real-clock.ts';
import { runPlan } from './run-plan.ts';
import { type System, systemOf } from './system.ts';

/** ms between two messages of progress. */
const PROGRESS_MS = 250;

/**
 * The body of the process that generates the load. It has its main thread for itself: a model in it computes in threads of its own,
 * and whoever draws progress or reports is another process.
 */
const clock = new RealClock();
let target: OpenedTarget | undefined;
let system: System | undefined;
let stop = new AbortController();

async function answer(ask: Exclude<Ask, { kind: 'stop' }>): Promise<Answer> {
  switch (ask.kind) {
    case 'open':
      target = await openTarget(ask.target);
      return { kind: 'opened', inputs: target.session.inputs, ...target.about };
    case 'samples': {
      if (target === undefined) throw fail('INTERNAL', 'samples came before a target');
      system = systemOf(target.session, ask.samples.map(unpackFetches), ask.stacks);
      return { kind: 'ready' };
    }
    case 'run': {
      if (system === undefined) throw fail('INTERNAL', 'a run was asked for before there were samples');
      stop = new AbortController();
      let said = 0;
      const onProgress = (queries: number) => {
        if (clock.now() - said < PROGRESS_MS) return;
        said = clock.now();
        send({ kind: 'progress', queries });
      };
      const cpu = cpuMeter();
      const ran = await runPlan(system, ask.plan, clock, { signal: stop.signal, onProgress });
      return { kind: 'ran', ran, cpu: cpu() };
    }
  }
}

/** Starts to count; the answer stops it. */
function cpuMeter(): () => GeneratorCpu {
  const [wall, thread, usage] = [clock.now(), threadSeconds(), process.cpuUsage()];
  const loop = performance.eventLoopUtilization();
  return () => {
    const { user, system } = process.cpuUsage(usage);
    const processSeconds = (user + system) / 1e6;
    return {
      wallSeconds: (clock.now() - wall) / 1000,
      threadSeconds: thread === undefined ? processSeconds : threadSeconds()! - thread,
      processSeconds,
      loopUtilization: performance.eventLoopUtilization(loop).utilization,
    };
  };
}

/** CPU seconds of the calling thread; undefined where the system does not tell. */
function threadSeconds(): number | undefined {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return undefined;
  }
}

function refusalOf(thrown: unknown): Answer {
  const why = messageOf(thrown);
  if (!(thrown instanceof ModicumError)) return { kind: 'failed', code: 'INTERNAL', why };
  // The parent puts the words of the catalogue before it again.
  return {
    kind: 'failed',
    code: thrown.code,
    why: why.replace(`${CATALOGUE[thrown.code].what}: `, ''),
    hint: thrown.hint,
  };
}

function send(message: Answer): void {
  if (process.connected) process.send?.(message);
}

process.on('message', (ask: Ask) => {
  if (ask.kind === 'stop') stop.abort();
  else answer(ask).catch(refusalOf).then(send);
});
// Ctrl-C reaches all processes of a terminal; the parent says when to stop.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
