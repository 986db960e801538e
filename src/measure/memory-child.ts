import { readFileSync } from 'node:fs';
import { CATALOGUE, type ErrorCode, ModicumError, messageOf } from '../base/index.ts';
import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { type Feeds, openSession, type SessionSettings } from '../run/index.ts';

/** A tensor between processes. */
export interface SentTensor {
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly content: Uint8Array | readonly string[];
}

/** What the parent asks. */
export interface MemoryTask {
  /** Undefined: a model of one Identity, for what the runtime itself takes. */
  readonly path: string | undefined;
  readonly settings: Partial<SessionSettings>;
  readonly feeds: Readonly<Record<string, SentTensor>>;
  readonly runs: number;
}

/** What the child answers. */
export type MemoryAnswer =
  | { readonly peakBytes: number; readonly source: string }
  | { readonly code: ErrorCode; readonly why: string };

/** The most resident memory that this process ever had, bytes. */
function peak(): { peakBytes: number; source: string } {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (line) return { peakBytes: Number(line[1]) * 1024, source: 'VmHWM of /proc/self/status' };
  } catch {
    // Not Linux.
  }
  return { peakBytes: process.resourceUsage().maxRSS * 1024, source: 'maxRSS of getrusage' };
}

function identity() {
  const type = tensorType('float32', [1]);
  const graph = makeGraph({
    inputs: [{ name: 'x', type }],
    outputs: [{ name: 'y', type }],
    nodes: [makeNode('Identity', ['x'], ['y'])],
  });
  return makeModel(graph, 17, { irVersion: 8 });
}

async function work(task: MemoryTask): Promise<MemoryAnswer> {
  const session = await openSession(task.path ?? identity(), task.settings);
  const feeds: Record<string, Tensor> = {};
  for (const [name, { dtype, dims, content }] of Object.entries(task.feeds)) {
    feeds[name] =
      content instanceof Uint8Array
        ? Tensor.ofBytes(dtype as Parameters<typeof Tensor.ofBytes>[0], dims, content)
        : Tensor.ofStrings(dims, content);
  }
  const given: Feeds = task.path === undefined ? { x: Tensor.float32([1], [1]) } : feeds;
  await session.loop([given], { runs: task.runs });
  const answer = peak();
  await session.dispose();
  return answer;
}

function refusalOf(thrown: unknown): MemoryAnswer {
  const why = messageOf(thrown);
  if (!(thrown instanceof ModicumError)) return { code: 'RUNTIME_FAILED', why };
  // The parent puts the words of the catalogue before it again.
  return { code: thrown.code, why: why.replace(`${CATALOGUE[thrown.code].what}: `, '') };
}

/** The body of the process: one task, one answer, the end. */
process.once('message', (task: MemoryTask) => {
  work(task)
    .catch((thrown): MemoryAnswer => refusalOf(thrown))
    .then((answer) => process.send?.(answer, () => process.exit(0)));
});
