/** Time of one node of the executed graph. */
export interface NodeTime {
  /** As in the executed graph; ONNX Runtime names the nameless by operator and place. */
  readonly name: string;
  readonly op: string;
  /** Such as CPUExecutionProvider. */
  readonly provider: string;
  /** Microseconds per run of the model in the node's own kernel (on the GPU, where the runtime tells what its programs took there) (mean without the tenth of runs at either end); time in nodes of its subgraphs counts there. */
  readonly microseconds: number;
  /** Part of the sum of all nodes, 0 to 1. */
  readonly share: number;
  /** Executions of the kernel in all measured runs. */
  readonly count: number;
}

interface KernelEvent {
  readonly key: string;
  readonly name: string;
  readonly op: string;
  readonly provider: string;
  readonly start: number;
  readonly length: number;
}

interface Sum {
  readonly event: KernelEvent;
  /** Microseconds of each run that executed it. */
  readonly perRun: number[];
  count: number;
}

/** Share of the runs left out at either end: one preempted run would else set the figure of a small node. */
const TRIM = 0.1;

/** Mean of the middle runs; runs that did not execute the node count as 0. */
function trimmedMean(values: readonly number[], runs: number): number {
  const all = [...values, ...new Array<number>(Math.max(0, runs - values.length)).fill(0)].sort(
    (a, b) => a - b,
  );
  const cut = Math.floor(runs * TRIM);
  const middle = all.slice(cut, all.length - cut);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

const SUFFIX = '_kernel_time';
/** Its nodes return once their programs are queued: what these take is told apart, in events of their own. */
const QUEUEING = 'WebGpuExecutionProvider';

/**
 * Adds up the kernel events of ONNX Runtime's profile, which has one event a line and ends each run with `model_run`.
 * Lines that make no sense (a file cut off at the runtime's limit of events) are passed over, as is a run without its end.
 */
export class ProfileSums {
  readonly #warmup: number;
  readonly #sums = new Map<string, Sum>();
  /** What programs took on the GPU, by node, in the order in which they ran. */
  readonly #programs = new Map<string, number[]>();
  #pending: KernelEvent[] = [];
  #runs = 0;

  /** @param warmup runs at the beginning that do not count */
  constructor(warmup: number) {
    this.#warmup = warmup;
  }

  /** Runs that count. */
  get runs(): number {
    return Math.max(0, this.#runs - this.#warmup);
  }

  addLine(line: string): void {
    const event = parse(line);
    if (event === undefined) return;
    if (event.cat === 'Session' && event.name === 'model_run') {
      if (this.#runs++ >= this.#warmup) this.#count(this.#pending);
      this.#pending = [];
    } else if (event.cat === 'Api') {
      // Written when the session ends: "node&operator&program".
      const parts = event.name.split('&');
      const key = `${parts.slice(0, -2).join('&')}\n${parts.at(-2)}`;
      const known = this.#programs.get(key);
      if (known === undefined) this.#programs.set(key, [event.dur]);
      else known.push(event.dur);
    } else if (event.cat === 'Node' && event.name.endsWith(SUFFIX)) {
      const { op_name: op = '', provider = '', node_index: place = '' } = event.args;
      const name = event.name.slice(0, -SUFFIX.length);
      const key = `${name}\n${op}\n${place}`;
      this.#pending.push({ key, name, op, provider, start: event.ts, length: event.dur });
    }
  }

  /** The nodes in the order of their first execution. */
  times(): NodeTime[] {
    const sums = [...this.#sums.values()].map(({ event, perRun, count }) => ({
      event,
      count,
      microseconds: trimmedMean(this.#onGpu(event) ?? perRun, this.runs),
    }));
    const total = sums.reduce((sum, one) => sum + one.microseconds, 0);
    return sums.map(({ event, microseconds, count }) => ({
      name: event.name,
      op: event.op,
      provider: event.provider,
      microseconds,
      share: total > 0 ? microseconds / total : 0,
      count,
    }));
  }

  /** Microseconds of each run on the GPU; undefined for nodes that run elsewhere, or where it is not told. */
  #onGpu({ name, op, provider }: KernelEvent): number[] | undefined {
    if (provider !== QUEUEING || this.#programs.size === 0) return undefined;
    const programs = this.#programs.get(`${name}\n${op}`) ?? [];
    const each = Math.floor(programs.length / this.#runs);
    if (each === 0) return [];
    // The first runs may have prepared weights: runs are counted from the last.
    return Array.from({ length: this.runs }, (_, run) => {
      const end = programs.length - run * each;
      return programs.slice(end - each, end).reduce((sum, one) => sum + one, 0);
    });
  }

  #count(events: KernelEvent[]): void {
    const inner = new Map<KernelEvent, number>();
    const open: KernelEvent[] = [];
    events.sort((a, b) => a.start - b.start || b.length - a.length);
    for (const event of events) {
      while (open.length > 0 && !holds(open.at(-1)!, event)) open.pop();
      const outer = open.at(-1);
      if (outer !== undefined) inner.set(outer, (inner.get(outer) ?? 0) + event.length);
      if (HAS_SUBGRAPHS.has(event.op)) open.push(event);
    }
    const run = new Map<string, Sum>();
    for (const event of events) {
      const own = Math.max(0, event.length - (inner.get(event) ?? 0));
      const sum = this.#sums.get(event.key) ?? { event, perRun: [], count: 0 };
      // A node in a loop runs several times in one run.
      if (run.has(event.key)) sum.perRun.push((sum.perRun.pop() ?? 0) + own);
      else sum.perRun.push(own);
      sum.count++;
      run.set(event.key, sum);
      this.#sums.set(event.key, sum);
    }
  }
}

/** Times are whole microseconds, so only an operator that runs others can be taken for their container. */
const HAS_SUBGRAPHS: ReadonlySet<string> = new Set([
  'If',
  'Loop',
  'Scan',
  'SequenceMap',
  'BeamSearch',
  'GreedySearch',
]);

function holds(outer: KernelEvent, event: KernelEvent): boolean {
  return event.start >= outer.start && event.start + event.length <= outer.start + outer.length;
}

interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, string>>;
}

function parse(line: string): TraceEvent | undefined {
  const start = line.indexOf('{');
  const end = line.lastIndexOf('}');
  if (start < 0 || end < start) return undefined;
  try {
    return trace(JSON.parse(line.slice(start, end + 1)));
  } catch {
    return undefined;
  }
}

function trace(found: unknown): TraceEvent | undefined {
  if (typeof found !== 'object' || found === null) return undefined;
  const { cat, name, ts, dur, args } = found as Record<string, unknown>;
  if (typeof cat !== 'string' || typeof name !== 'string') return undefined;
  if (typeof ts !== 'number' || typeof dur !== 'number') return undefined;
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(args ?? {})) if (typeof value === 'string') texts[key] = value;
  return { cat, name, ts, dur, args: texts };
}
