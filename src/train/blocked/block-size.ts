import { makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { executedGraph } from '../../run/index.ts';

/** Channels of the probe: no common block size divides it, so that what it is rounded up to tells the size. */
const CHANNELS = 52;

let found: Promise<number> | undefined;

/**
 * How many channels ONNX Runtime puts side by side in its blocked layout (NCHWc) on this machine: 16 with AVX-512, 8 with
 * AVX2; 0 where it has none. Asked once a process, of the runtime itself: a convolution of constant weights is laid out
 * anew when a session opens, its channels rounded up to whole blocks. 0 too where it cannot be asked: it is about speed alone.
 */
export function blockSize(): Promise<number> {
  found ??= probe().catch(() => 0);
  return found;
}

async function probe(): Promise<number> {
  const weights = Tensor.float32([CHANNELS, CHANNELS, 3, 3], new Float32Array(CHANNELS * CHANNELS * 9));
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', [1, CHANNELS, 4, 4]) }],
    outputs: [{ name: 'y', type: tensorType('float32', [1, CHANNELS, 2, 2]) }],
    nodes: [makeNode('Conv', ['x', 'w'], ['y'], {}, { name: 'conv' })],
    initializers: new Map([['w', weights]]),
  });
  const { graph: executed } = await executedGraph(makeModel(graph), { threads: 1, level: 'all' });
  const conv = executed.nodes.find(({ op, domain }) => op === 'Conv' && domain === 'com.microsoft.nchwc');
  const rounded = conv && executed.initializers.get(conv.inputs[1]!)?.dims[0];
  return [16, 8].find((block) => rounded === Math.ceil(CHANNELS / block) * block) ?? 0;
}
