import { readFileSync } from 'node:fs';
import { findPowercap, PowercapMeter } from '../../measure/index.ts';

/** Weight of a new second against what was seen before: a few seconds count. */
const NEWEST = 0.3;
/** Below this many busy cores a second says nothing of what work draws. */
const BUSY_ENOUGH = 0.05;

/** Seconds of CPU time that the machine has spent so far, and those it had, all cores; read from /proc/stat. */
export type ReadCpu = () => { busy: number; all: number };

/**
 * Watts of a busy core by the machine's own energy counters. The draw of a second is divided in two: what the machine
 * draws idle (the lowest second seen) falls on all cores' time alike; the rest falls on the time that was busy, whoever
 * was. A request bears its CPU time's share of both.
 */
export class CpuShareOfPower {
  readonly origin: string;
  readonly #meter: PowercapMeter;
  readonly #readCpu: ReadCpu;
  readonly #timer: NodeJS.Timeout;
  readonly #clock: () => number;
  #joules = 0;
  #cpu: { busy: number; all: number };
  #at: number;
  #idle = Number.POSITIVE_INFINITY;
  #perBusy: number | undefined;

  private constructor(meter: PowercapMeter, origin: string, readCpu: ReadCpu, clock: () => number) {
    this.#clock = clock;
    this.#at = clock();
    this.#meter = meter;
    this.origin = origin;
    this.#readCpu = readCpu;
    this.#cpu = readCpu();
    this.#timer = setInterval(() => void this.look().catch(() => {}), 1000);
    this.#timer.unref();
  }

  /** Undefined where there is no counter that can be read, or no /proc/stat. `clock` in ms. */
  static async open(
    root?: string,
    readCpu: ReadCpu = readProcStat,
    clock: () => number = () => performance.now(),
  ): Promise<CpuShareOfPower | undefined> {
    const { zones } = await findPowercap(root);
    if (zones.length === 0) return undefined;
    const meter = new PowercapMeter(zones);
    try {
      await meter.start();
      const origin = `RAPL counters (${zones.map(({ name }) => name).join(' + ')})`;
      return new CpuShareOfPower(meter, origin, readCpu, clock);
    } catch {
      return undefined;
    }
  }

  /** Takes what has been drawn since the last look. */
  async look(): Promise<void> {
    await this.#meter.poll();
    const now = this.#clock();
    const cpu = this.#readCpu();
    const seconds = (now - this.#at) / 1000;
    const all = cpu.all - this.#cpu.all;
    const busy = cpu.busy - this.#cpu.busy;
    const joules = this.#meter.joules - this.#joules;
    if (!(seconds > 0.01) || !(all > 0)) return;
    [this.#at, this.#cpu, this.#joules] = [now, cpu, this.#meter.joules];
    const watts = joules / seconds;
    const cores = all / seconds;
    const busyCores = busy / seconds;
    this.#idle = Math.min(this.#idle, watts);
    if (busyCores < BUSY_ENOUGH) return;
    const found = (watts - this.#idle) / busyCores + this.#idle / cores;
    this.#perBusy = this.#perBusy === undefined ? found : this.#perBusy + NEWEST * (found - this.#perBusy);
  }

  /** W; undefined until a second was busy. */
  wattsPerBusyCore(): number | undefined {
    return this.#perBusy;
  }

  close(): void {
    clearInterval(this.#timer);
    void this.#meter.stop().catch(() => {});
  }
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICKS = 100;

function readProcStat(): { busy: number; all: number } {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.split(/\s+/);
  // user nice system idle iowait irq softirq steal; guest times lie within user.
  const ticks = fields.slice(0, 8).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busy: (all - idle) / TICKS, all: all / TICKS };
}
