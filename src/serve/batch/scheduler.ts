import { Care } from './care.ts';
import type { Clock } from './clock.ts';
import { capOf, doneAfter, type Formed, form } from './form.ts';
import { holdUntil, type Preference } from './hold.ts';
import { Line } from './line.ts';
import { type LaneFree, type Outlook, type Plan, plan } from './plan.ts';
import { ArrivalRate } from './rate.ts';
import { Urgency } from './urgency.ts';
import type { Entry, Refusal, Work } from './work.ts';

export interface SchedulerOptions {
  /** Batches that are computed at the same time. */
  readonly lanes: number;
  /** ms that requests have who name no deadline. */
  readonly goalMs: number;
  /** Samples that wait at most, those whose bytes arrive included. */
  readonly maxQueue: number;
  /** Bytes of inputs that wait at most. */
  readonly maxQueueBytes: number;
  /** latency: wait for others only where that makes the sum of delays smaller. compute: as long as deadlines allow. */
  readonly prefer: Preference;
  /** ms of waiting that outweigh a step of priority. Default: the goal. */
  readonly agingMs?: number;
}

export interface Hooks<T extends Work> {
  /** Computes a batch on a lane that was free. `done` must be called when it ends. */
  run(batch: readonly T[], lane: number): void;
  /** Its deadline cannot be met any more: it is out of the line. */
  missed(work: T): void;
}

interface Lane {
  busy: { readonly started: number; readonly formed: Formed<Work> } | undefined;
}

/** Where deadlines differ, a batch may take this share of what those have who have least: they wait for one, and then for their own. */
const SHORT = 0.4;

/** An upload that takes longer than this share of the goal is not planned with any more. */
const UPLOADING = 0.25;

/**
 * Decides who is let in, what is computed together and when. All by the clock it is given: it holds no tensors and starts no timer of its own.
 */
export class Scheduler<T extends Work> {
  readonly #options: SchedulerOptions;
  readonly #clock: Clock;
  readonly #hooks: Hooks<T>;
  readonly #line: Line<T>;
  readonly #lanes: Lane[];
  readonly #rate: ArrivalRate;
  readonly #urgency = new Urgency();
  readonly #care = new Care();
  /** ms that requests have, typically. */
  #slack: number;
  /** ms that those have who have least: falls fast, rises slowly. */
  #short: number;
  #wake: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  /** Since when a batch could have started but was held back. */
  #held: number | undefined;

  constructor(options: SchedulerOptions, clock: Clock, hooks: Hooks<T>) {
    this.#options = options;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#line = new Line(options.agingMs ?? options.goalMs);
    this.#lanes = Array.from({ length: options.lanes }, () => ({ busy: undefined }));
    this.#rate = new ArrivalRate(options.goalMs / 2);
    this.#slack = options.goalMs;
    this.#short = options.goalMs;
  }

  /** Samples in line, those whose bytes arrive included. */
  get queued(): number {
    return this.#line.samples;
  }

  /** Samples that are computed now. */
  get inFlight(): number {
    return this.#lanes.reduce((sum, { busy }) => sum + (busy?.formed.samples ?? 0), 0);
  }

  /** A place for work whose bytes are still to come, all of them or none. Undefined: they have it. */
  reserve(works: readonly T[]): Refusal | undefined {
    const now = this.#clock.now();
    const samples = works.reduce((sum, work) => sum + work.samples, 0);
    const bytes = works.reduce((sum, work) => sum + work.bytes, 0);
    const first = works[0]!;
    this.#rate.observe(now, samples);
    this.#urgency.observe(first.priority, samples);
    const slack = Math.max(0, first.deadline - now);
    this.#slack += (slack - this.#slack) * 0.02;
    this.#short += (slack - this.#short) * (slack < this.#short ? 0.2 : 0.002);
    const full = this.#full(samples, bytes, now);
    if (full !== undefined) return full;
    const entries = works.map((work) => this.#line.add(work));
    const refusal = this.#tried(entries, now) ? undefined : this.#admit(entries, now, true);
    if (refusal !== undefined) this.#line.removeAll(new Set(entries));
    for (const entry of entries) entry.fresh = false;
    return refusal;
  }

  /** The bytes of reserved work are there. Where it came too late for its deadline it is out again, and the reason is returned. */
  ready(works: readonly T[]): Refusal | undefined {
    const now = this.#clock.now();
    const entries = works.flatMap((work) => this.#line.get(work) ?? []);
    // What was just let in is not judged twice.
    if (works.some(({ arrived }) => now > arrived + this.#clock.resolution)) {
      for (const entry of entries) entry.fresh = true;
      const refusal = this.#tried(entries, now) ? undefined : this.#admit(entries, now, false);
      for (const entry of entries) entry.fresh = false;
      if (refusal !== undefined) {
        this.#line.removeAll(new Set(entries));
        return refusal;
      }
    }
    for (const entry of entries) entry.ready = true;
    this.#soon();
    return undefined;
  }

  /** Takes work out of the line. False: it was not there (any more). */
  remove(work: T): boolean {
    const gone = this.#line.remove(work) !== undefined;
    if (gone) this.#soon();
    return gone;
  }

  /** The batch of a lane has ended; it took so many ms. `learn`: false where that says nothing about how long batches take. */
  done(lane: number, ms: number, learn = true): void {
    const { busy } = this.#lanes[lane]!;
    if (busy === undefined) return;
    const now = this.#clock.now();
    const { group, samples, members } = busy.formed;
    const stalled = ms > group.curve.high(samples);
    for (const { work } of members) {
      if (now > work.deadline && !stalled) this.#care.late();
      else this.#care.inTime();
    }
    if (learn) group.curve.observe(samples, ms);
    this.#lanes[lane]!.busy = undefined;
    this.#soon();
  }

  /** Wakes up no more. Returns who is in line: they will not be computed. */
  stop(): readonly T[] {
    this.#wake?.();
    this.#wakeAt = Number.NEGATIVE_INFINITY;
    return this.#line.entries.map(({ work }) => work);
  }

  #full(samples: number, bytes: number, now: number): Refusal | undefined {
    const { maxQueue, maxQueueBytes } = this.#options;
    const line = this.#line;
    const room = line.samples + samples <= maxQueue && line.bytes + bytes <= maxQueueBytes;
    if (room) return undefined;
    const why = `${line.samples} samples (${line.bytes} bytes) wait already`;
    return { code: 'OVERLOADED', why, retryAfterMs: this.#later(this.#free(now)[0]!.at - now) };
  }

  /**
   * Where nothing else is to be done, a request that will be in time by the mean alone is let in: a curve that has become too careful would
   * never see a batch again, and never learn.
   */
  #tried(entries: readonly Entry<T>[], now: number): boolean {
    if (entries.length < this.#line.entries.length || this.inFlight > 0) return false;
    return entries.every(({ work }) => now + work.group.curve.mean(work.samples) <= work.deadline);
  }

  #admit(entries: readonly Entry<T>[], now: number, uploads: boolean): Refusal | undefined {
    const outlook = this.#outlook(now, entries[0]!.work);
    const line = this.#planned(now, uploads);
    const lanes = this.#free(now);
    const last = line.at(-1)?.fresh === true && entries.length === 1;
    const with_ = plan(line, lanes, now, outlook, { fresh: entries.length, stop: last });
    if (with_.lateBy > 0) return this.#refusal(entries[0]!, with_.lateBy, now);
    if (last) return undefined;
    const without = plan(line, lanes, now, outlook, { without: new Set(entries) });
    return this.#harm(entries[0]!, with_, without, now);
  }

  /** `work`: as it looks to this: only arrivals that are at least as urgent can join it, and more urgent ones will go before it. */
  #outlook(now: number, work?: Work): Outlook {
    // Where all have about the same time, their own deadlines say how long a batch may be.
    const mixed = this.#short < 0.7 * this.#slack;
    const mostMs = mixed ? this.#short * SHORT : Number.POSITIVE_INFINITY;
    const rate = this.#rate.rate(now);
    const outlook = { rate, slack: this.#slack, care: this.#care.share, mostMs, slower: 1 };
    if (work === undefined) return outlook;
    const { priority, group } = work;
    const cap = capOf(group);
    const before = (rate * this.#urgency.share(priority - 1) * group.curve.mean(cap)) / cap;
    const slower = 1 / (1 - Math.min(0.9, before / this.#lanes.length));
    return { ...outlook, rate: rate * this.#urgency.share(priority), slower };
  }

  /** Whoever is let in must not make those late that are in already, but for less urgent ones. */
  #harm({ work }: Entry<T>, after: Plan<T>, before: Plan<T>, now: number): Refusal | undefined {
    for (const entry of before.onTime) {
      if (entry.work.priority > work.priority || after.onTime.has(entry)) continue;
      return {
        code: 'OVERLOADED',
        why: 'it would make others late',
        retryAfterMs: this.#later(entry.work.deadline - now),
      };
    }
    return undefined;
  }

  #refusal({ work }: Entry<T>, lateBy: number, now: number): Refusal {
    const alone = now + doneAfter(work.group, work.samples);
    if (alone > work.deadline) {
      const takes = `${(alone - now).toFixed(1)} ms are needed, ${(work.deadline - now).toFixed(1)} ms are left`;
      return { code: 'DEADLINE_MISSED', why: takes, retryAfterMs: this.#later(0) };
    }
    return {
      code: 'OVERLOADED',
      why: `the answer would come ${lateBy.toFixed(1)} ms after the deadline`,
      retryAfterMs: this.#later(lateBy),
    };
  }

  #later(ms: number): number {
    return Math.max(1, Math.ceil(ms));
  }

  /** Who counts when the future is played through: all but uploads that take their time. */
  #planned(now: number, uploads: boolean): readonly Entry<T>[] {
    const grace = this.#options.goalMs * UPLOADING;
    const counts = ({ ready, fresh, work }: Entry<T>) =>
      ready || fresh || (uploads && now - work.arrived <= grace);
    const { entries } = this.#line;
    return entries.every(counts) ? entries : entries.filter(counts);
  }

  #free(now: number): LaneFree[] {
    return this.#lanes.map(({ busy }) => {
      if (busy === undefined) return { at: now, variance: 0 };
      const { group, samples } = busy.formed;
      const [mean, margin] = [group.curve.mean(samples), group.curve.margin(samples)];
      const expected = busy.started + mean;
      // A batch that is overdue will take about as long again as it is overdue already.
      const overdue = Math.max(0, now - expected - margin) * Math.min(1, this.#care.share);
      return { at: Math.max(expected, now + overdue), variance: margin ** 2 };
    });
  }

  #soon(): void {
    this.#wakeUp(this.#clock.now());
  }

  #wakeUp(time: number): void {
    if (time >= this.#wakeAt) return;
    this.#wake?.();
    this.#wakeAt = time;
    this.#wake = this.#clock.at(time, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#step();
    });
  }

  #step(): void {
    const now = this.#clock.now();
    const next = this.#dropMissed(now);
    for (let lane = this.#idle(); lane >= 0; lane = this.#idle()) {
      const formed = this.#choose(now);
      if (formed === undefined) {
        this.#held = undefined;
        break;
      }
      const until = this.#hold(formed, now);
      if (until > now + this.#clock.resolution) {
        this.#held ??= now;
        this.#wakeUp(until - this.#clock.resolution);
        break;
      }
      this.#held = undefined;
      this.#start(formed, lane, now);
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeUp(next);
  }

  #start(formed: Formed<T>, lane: number, now: number): void {
    this.#line.removeAll(new Set(formed.members));
    this.#lanes[lane]!.busy = { started: now, formed };
    this.#hooks.run(
      formed.members.map(({ work }) => work),
      lane,
    );
  }

  #idle(): number {
    return this.#lanes.findIndex(({ busy }) => busy === undefined);
  }

  /** Answers who cannot be in time any more. Returns when the next may have to be. */
  #dropMissed(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    const gone = new Set<Entry<T>>();
    for (const entry of this.#line.entries) {
      if (!entry.ready) continue;
      const { group, samples, deadline } = entry.work;
      const latest = deadline - group.curve.mean(samples);
      if (latest < now) gone.add(entry);
      else next = Math.min(next, latest);
    }
    this.#line.removeAll(gone);
    for (const { work } of gone) {
      this.#care.late();
      this.#hooks.missed(work);
    }
    // Just after, so that it is past then.
    return next + Math.max(this.#clock.resolution, 1e-3);
  }

  #choose(now: number): Formed<T> | undefined {
    const { entries } = this.#line;
    const formed = form(entries, ({ ready }) => !ready, 0, now, 0, this.#outlook(now));
    if (formed === undefined || !formed.limited) return formed;
    return this.#sacrifice(formed, now);
  }

  /**
   * A few who are almost late can force small batches that make all after them late, one after another (after a stall, say). They
   * are given up where that saves more than it costs.
   */
  #sacrifice(formed: Formed<T>, now: number): Formed<T> {
    const line = this.#line.entries.filter(({ ready }) => ready);
    const outlook = this.#outlook(now);
    const lanes = this.#free(now);
    const byDeadline = [...line].sort((a, b) => a.work.deadline - b.work.deadline);
    let most = plan(line, lanes, now, outlook).onTime.size;
    let given: Set<Entry<T>> | undefined;
    for (let count = 1; count < line.length; count = Math.ceil(count * 1.5)) {
      const without = new Set(byDeadline.slice(0, count));
      const saved = plan(line, lanes, now, outlook, { without }).onTime.size;
      if (saved <= most) continue;
      [most, given] = [saved, without];
    }
    if (given === undefined) return formed;
    const lost = given;
    return (
      form(this.#line.entries, (entry) => !entry.ready || lost.has(entry), 0, now, 0, this.#outlook(now)) ??
      formed
    );
  }

  #hold(formed: Formed<T>, now: number): number {
    const { group, samples, members, until, limited } = formed;
    if (limited || samples >= capOf(group)) return now;
    const others = this.#free(now)
      .filter((_, lane) => this.#lanes[lane]!.busy !== undefined)
      .map(({ at }) => at - now);
    const anotherIdle = others.length < this.#lanes.length - 1;
    return holdUntil({
      prefer: this.#options.prefer,
      group,
      samples,
      requests: members.length,
      until,
      now,
      since: this.#held ?? now,
      arrivals: this.#rate.arrivals(now),
      size: this.#rate.size,
      nextLane: anotherIdle ? 0 : Math.min(...others, Number.POSITIVE_INFINITY),
    });
  }
}
