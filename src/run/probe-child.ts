import { messageOf } from '../base/index.ts';
import {
  attr,
  DTYPES,
  encodeModel,
  makeGraph,
  makeModel,
  makeNode,
  Tensor,
  tensorType,
} from '../graph/index.ts';
import { OrtInstance } from './ort-instance.ts';
import { PROVIDERS, resolveSettings } from './settings.ts';

/**
 * The body of the process that starts one execution provider for real: `node probe-child.js <provider>`. Multiplies two
 * matrices there, in float32 and then in float16, and compares with what it knows; sends its verdict to the parent. A native crash ends only this process.
 */
async function probe(name: string, half: boolean): Promise<string | undefined> {
  const provider = PROVIDERS.find((one) => one === name);
  if (provider === undefined) return `no provider "${name}"`;
  const weights = Float32Array.from({ length: 64 }, (_, i) => (i % 7) - 3);
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', [4, 8]) }],
    outputs: [{ name: 'y', type: tensorType('float32', [4, 8]) }],
    nodes: half
      ? [
          makeNode('Cast', ['x'], ['x16'], { to: attr.int(DTYPES.float16.onnx) }),
          makeNode('Cast', ['w'], ['w16'], { to: attr.int(DTYPES.float16.onnx) }),
          makeNode('MatMul', ['x16', 'w16'], ['y16']),
          makeNode('Cast', ['y16'], ['y'], { to: attr.int(DTYPES.float32.onnx) }),
        ]
      : [makeNode('MatMul', ['x', 'w'], ['y'])],
    initializers: new Map([['w', Tensor.float32([8, 8], weights)]]),
  });
  const encoded = encodeModel(makeModel(graph, 17, { irVersion: 8 }));
  const bytes = new SharedArrayBuffer(encoded.byteLength);
  new Uint8Array(bytes).set(encoded);
  // Without this a provider that takes no node would look alive while the CPU does its work.
  const config: Record<string, string> = provider === 'cpu' ? {} : { 'session.disable_cpu_ep_fallback': '1' };
  const settings = resolveSettings({ provider, threads: 1, config });
  const instance = await OrtInstance.open({ kind: 'bytes', bytes }, settings, {});
  const x = Float32Array.from({ length: 32 }, (_, i) => (i % 5) - 2);
  const feeds = { x: { dtype: 'float32' as const, dims: [4, 8], content: x.slice().buffer } };
  const y = (await instance.run(feeds, ['y'], [])).y?.content;
  const found = y instanceof ArrayBuffer ? new Float32Array(y) : new Float32Array();
  for (let i = 0; i < 32; i++) {
    let wanted = 0;
    for (let k = 0; k < 8; k++) wanted += x[(i & ~7) + k]! * weights[k * 8 + (i & 7)]!;
    // Small whole numbers: every float format that a device may use has them exactly.
    if (found[i] !== wanted) return `it starts but computes wrongly: ${found[i]} where ${wanted} is right`;
  }
  return undefined;
}

const [, , name = ''] = process.argv;
const tried = (half: boolean) => probe(name, half).catch((thrown) => messageOf(thrown));
const reason = await tried(false);
const float16 = reason === undefined ? (await tried(true)) === undefined : undefined;
process.send?.({ reason, float16 }, () => process.exit(0));
