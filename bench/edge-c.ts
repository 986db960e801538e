import { join } from 'node:path';
import { Random } from '../src/base/index.ts';
import { type Dataset, openDataset, subset } from '../src/data/index.ts';
import { compileModel, emitC, openCompiled } from '../src/edge/index.ts';
import { loadModel } from '../src/files/index.ts';
import { type Model, sizeOf, Tensor } from '../src/graph/index.ts';
import { differing } from '../test/edge/c-programs.ts';
import { armSize, hasArm, hasBoard, runOnBoard } from '../test/edge/cortex-m4.ts';
import { cleaned, datasetOf, quantized } from '../test/edge/quantized.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';
import { heading } from './heading.ts';
import { scratch, sharedCases } from './shared-models.ts';

/**
 * Models in C on a Cortex-M4F: what they take in flash and RAM by `size`, and what one run takes on the emulated chip, whose answers are
 * compared with those of the scalar module bit by bit. `npm run bench -- edge-c`
 */
interface Case {
  readonly name: string;
  readonly path: string;
  /** To calibrate int8 on; noise where there is none. */
  readonly data?: () => Promise<Dataset>;
}

const CALIBRATION = 256;

async function someOf(data: Dataset): Promise<Dataset> {
  return subset(
    data,
    Array.from({ length: Math.min(CALIBRATION, data.size) }, (_, i) => i),
  );
}

function cases(): { cases: Case[]; absent: string[] } {
  const spotter = (kind: string): Case => ({
    name: `keyword spotter, ${kind}`,
    path: join(ROOT, `examples/keyword-spotter/${kind}.onnx`),
    data: () => openDataset(join(ROOT, 'examples/keyword-spotter/data.npz')),
  });
  const shared = sharedCases().cases;
  const withData = (name: string) => {
    const own = shared.find((one) => one.name === name);
    return own && { data: () => own.data(scratch()) };
  };
  const rest: [string, string, ReturnType<typeof withData>?][] = [
    ['mnist-8', 'mnist/mnist-8.onnx', withData('mnist-8')],
    ['alibaba_kws', 'keywords/alibaba_kws.onnx', withData('keywords')],
    ['alibaba_ad', 'mlperf-tiny/alibaba_ad.onnx'],
    ['alibaba_vww', 'mlperf-tiny/alibaba_vww.onnx'],
  ];
  const found = [spotter('light'), spotter('heavy')];
  const absent: string[] = [];
  for (const [name, file, data] of rest) {
    const path = sharedData(file);
    if (path === undefined) absent.push(name);
    else found.push({ name, path, ...data });
  }
  return { cases: found, absent };
}

function noise({ graph }: Model, seed: number): Record<string, Tensor> {
  const random = new Random(seed);
  return Object.fromEntries(
    graph.inputs.map(({ name, type }) => {
      const dims = type.kind === 'tensor' ? (type.shape as number[]) : [];
      return [
        name,
        Tensor.float32(
          dims,
          Array.from({ length: sizeOf(dims) }, () => random.normal()),
        ),
      ];
    }),
  );
}

async function row(name: string, precision: string, model: Model): Promise<string> {
  const made = emitC(model, { name: 'model' });
  const [fast, small] = [await armSize(made, 'model', '-O2'), await armSize(made, 'model', '-Os')];
  if (fast.bss !== made.ramBytes) throw new Error(`${name}: ${fast.bss} bytes of RAM, not ${made.ramBytes}`);
  const { wasm, inputs, outputs } = compileModel(model, { target: 'scalar' });
  const ports = [...inputs, ...outputs].reduce((sum, { bytes }) => sum + bytes, 0);
  const sizes = [fast.text, made.flashBytes, fast.text - made.flashBytes, small.text - made.flashBytes];
  const ran: string[] = ['–', '–', '–'];
  if (hasBoard()) {
    const feeds = noise(model, 1);
    const board = await runOnBoard(model, feeds);
    const session = await openCompiled(wasm);
    const wrong = differing(board.outputs, await session.run(feeds));
    await session.dispose();
    ran[0] = String(board.stack);
    ran[1] = (board.instructions / 1e6).toFixed(2);
    ran[2] = wrong.length === 0 ? 'all' : wrong.join(', ');
  }
  const cells = [name, precision, ...sizes, made.ramBytes, ports, ...ran];
  return `| ${cells.join(' | ')} |`;
}

if (!hasArm()) {
  console.error('arm-none-eabi-gcc is absent');
  process.exitCode = 1;
} else {
  const { cases: all, absent } = cases();
  console.log(
    heading('arm-none-eabi-gcc, Cortex-M4F, -O2 -ffp-contract=off; instructions by QEMU, mps2-an386'),
  );
  console.log(
    [
      '| model | numbers | flash | of which weights | code, -O2 | code, -Os | arena | inputs and outputs | stack | Minstr a run | bits as in wasm |',
      '|---|---|---|---|---|---|---|---|---|---|---|',
    ].join('\n'),
  );
  for (const { name, path, data } of all) {
    const given = await loadModel(path);
    const float = await cleaned(given);
    console.log(await row(name, 'fp32', float));
    const examples = data
      ? await someOf(await data())
      : datasetOf([1, 2, 3, 4].map((seed) => noise(float, seed)));
    console.log(await row(name, 'int8', await quantized(given, examples)));
  }
  if (absent.length > 0) console.log(`\nAbsent: ${absent.join(', ')}`);
}
