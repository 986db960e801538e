import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import jpeg from 'jpeg-js';
import wavefile from 'wavefile';
import { type Dataset, inMemory, openDataset } from '../src/data/index.ts';
import { Tensor } from '../src/graph/index.ts';
import { openSession } from '../src/run/index.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';

/** A real model with its data, and what is asked of it. */
export interface SharedCase {
  readonly name: string;
  readonly model: string;
  readonly metric: string;
  readonly maxDrop: number;
  readonly note: string;
  /** Reads the data; temporary files go to `folder`. */
  data(folder: string): Promise<Dataset>;
}

const made: string[] = [];
process.once('exit', () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone when the process ends. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-bench-'));
  made.push(folder);
  return folder;
}

function unpack(archive: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['xzf', archive, '-C', folder]);
  return folder;
}

const labelsOf = (values: readonly number[]) => Tensor.int64([values.length], [...values]);

/** The models of the shared folder that are there; the others are named in `absent`. */
export function sharedCases(): { cases: SharedCase[]; absent: string[] } {
  const cases: SharedCase[] = [];
  const absent: string[] = [];
  const add = (
    name: string,
    model: string,
    files: string[],
    rest: Omit<SharedCase, 'name' | 'model' | 'data'>,
    read: (paths: string[], folder: string, model: string) => Promise<Dataset>,
  ) => {
    const path = sharedData(model);
    const paths = files.map(sharedData);
    if (path === undefined || paths.includes(undefined)) absent.push(name);
    else cases.push({ name, model: path, ...rest, data: (folder) => read(paths as string[], folder, path) });
  };
  add(
    'mnist-8',
    'mnist/mnist-8.onnx',
    ['mnist/mnist-pngs.tar.gz'],
    { metric: 'top1', maxDrop: 1, note: '10,000 test images' },
    async ([archive], folder) =>
      openDataset(join(unpack(archive!, folder), 'test'), {
        kind: 'images',
        preprocess: { image: { channels: 1, width: 28, height: 28 } },
      }),
  );
  add(
    'keywords',
    'keywords/alibaba_kws.onnx',
    ['keywords/kws01-testset.tar.gz'],
    { metric: 'top1', maxDrop: 1, note: 'kws01, 1,000 clips' },
    ([archive], folder) => keywords(unpack(archive!, folder)),
  );
  add(
    'magika-v3.3',
    'magika/model/model.onnx',
    ['magika/tests_data.tar.gz', 'magika/model/config.min.json'],
    { metric: 'agreement', maxDrop: 1, note: 'the files of node_modules, answers of the model as given' },
    () => Promise.resolve(filesAround()),
  );
  add(
    'ultraface-320',
    'ultraface/version-RFB-320.onnx',
    ['ultraface/imgs'],
    { metric: 'cosine', maxDrop: 0.01, note: 'fidelity on its photos and crops of them' },
    ([photos]) => ultraface(photos!),
  );
  add(
    'silero-vad',
    'silero-vad/silero_vad_op18_ifless.onnx',
    ['silero-vad/test.wav'],
    { metric: 'cosine', maxDrop: 0.01, note: 'fidelity on 60 s of speech, states of the model as given' },
    ([wav], _folder, model) => silero(wav!, model),
  );
  return { cases, absent };
}

/** kws01: int8 MFCC [49, 10], dequantized as MLPerf Tiny says; the class stands in the file name. */
function keywords(folder: string): Promise<Dataset> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.bin'))
    .sort();
  const features = new Float32Array(files.length * 490);
  const classes = files.map((name, i) => {
    const bytes = new Int8Array(readFileSync(join(folder, name)));
    for (let j = 0; j < 490; j++) features[i * 490 + j] = bytes[(j % 10) * 49 + Math.floor(j / 10)]! * 0.4;
    return Number(/_(\d+)\.bin$/.exec(name)![1]);
  });
  return Promise.resolve(
    inMemory({ 'x:0': Tensor.float32([files.length, 49, 10, 1], features) }, labelsOf(classes), {
      name: 'kws01',
    }),
  );
}

/** Files that every checkout has after npm ci, for Magika to tell: up to 3,000, spread evenly over the sorted list. */
function filesAround(): Dataset {
  const root = join(ROOT, 'node_modules');
  const all = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size >= 8 && statSync(path).size < 2 ** 22)
    .sort();
  const chosen = all.filter((_, i) => i % Math.max(1, Math.ceil(all.length / 3000)) === 0);
  const features = new Int32Array(chosen.length * 2048);
  for (const [i, path] of chosen.entries()) features.set(magikaFeatures(readFileSync(path)), i * 2048);
  return inMemory({ bytes: Tensor.of('int32', [chosen.length, 2048], features) }, undefined, {
    name: 'files of node_modules',
  });
}

/** The reference set of Magika: files and the label that is published for each. */
export function magikaReference(folder: string): Promise<Dataset> {
  const archive = sharedData('magika/tests_data.tar.gz');
  const config = sharedData('magika/model/config.min.json');
  if (archive === undefined || config === undefined) throw new Error('the shared data of Magika is absent');
  return magika(unpack(archive, folder), config);
}

/**
 * Magika's features of a file: the first and the last 1,024 bytes of its first and last block of 4,096, white space
 * stripped at the outer ends, padded with 256. Labels: what the published reference says the model answers.
 */
async function magika(folder: string, config: string): Promise<Dataset> {
  const { target_labels_space: names } = JSON.parse(readFileSync(config, 'utf8')) as {
    target_labels_space: string[];
  };
  const list = join(folder, 'tests_data/reference/standard_v3_3-inference_examples_by_path.json.gz');
  const examples = JSON.parse(gunzipSync(readFileSync(list)).toString()) as {
    path: string;
    prediction: { dl: string };
  }[];
  const rows: { features: Int32Array; label: number }[] = [];
  for (const { path, prediction } of examples) {
    const label = names.indexOf(prediction.dl);
    if (label < 0) continue;
    rows.push({ features: magikaFeatures(readFileSync(join(folder, path))), label });
  }
  const all = new Int32Array(rows.length * 2048);
  for (const [i, { features }] of rows.entries()) all.set(features, i * 2048);
  return inMemory(
    { bytes: Tensor.of('int32', [rows.length, 2048], all) },
    labelsOf(rows.map(({ label }) => label)),
    { name: 'magika reference set' },
  );
}

const isSpace = (byte: number) => byte === 32 || (byte >= 9 && byte <= 13);

export function magikaFeatures(file: Uint8Array): Int32Array {
  const features = new Int32Array(2048).fill(256);
  let [start, end] = [0, Math.min(4096, file.length)];
  while (start < end && isSpace(file[start]!)) start++;
  features.set(file.subarray(start, Math.min(start + 1024, end)));
  [start, end] = [Math.max(0, file.length - 4096), file.length];
  while (end > start && isSpace(file[end - 1]!)) end--;
  const tail = file.subarray(Math.max(start, end - 1024), end);
  features.set(tail, 2048 - tail.length);
  return features;
}

/** Photos at 320 x 240, (x - 127) / 128, RGB: each whole, mirrored, and in overlapping crops. */
function ultraface(folder: string): Promise<Dataset> {
  const views: Float32Array[] = [];
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith('.jpg'))
    .sort()) {
    const photo = jpeg.decode(readFileSync(join(folder, name)), {
      useTArray: true,
      maxMemoryUsageInMB: 2048,
    });
    for (const size of [1, 0.8, 0.6]) {
      for (const at of size === 1 ? [0] : [0, 0.5, 1]) {
        for (const mirror of [false, true]) views.push(view(photo, size, at, mirror));
      }
    }
  }
  const all = new Float32Array(views.length * 3 * 240 * 320);
  for (const [i, pixels] of views.entries()) all.set(pixels, i * 3 * 240 * 320);
  return Promise.resolve(
    inMemory({ input: Tensor.float32([views.length, 3, 240, 320], all) }, undefined, { name: 'photos' }),
  );
}

interface Photo {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

function view(photo: Photo, size: number, at: number, mirror: boolean): Float32Array {
  const [w, h] = [photo.width * size, photo.height * size];
  const [left, top] = [(photo.width - w) * at, (photo.height - h) * at];
  const pixels = new Float32Array(3 * 240 * 320);
  for (let y = 0; y < 240; y++) {
    for (let x = 0; x < 320; x++) {
      const sx = Math.min(photo.width - 1, Math.floor(left + ((mirror ? 319 - x : x) + 0.5) * (w / 320)));
      const sy = Math.min(photo.height - 1, Math.floor(top + (y + 0.5) * (h / 240)));
      for (let c = 0; c < 3; c++) {
        pixels[(c * 240 + y) * 320 + x] = (photo.data[(sy * photo.width + sx) * 4 + c]! - 127) / 128;
      }
    }
  }
  return pixels;
}

/** The wav in steps of 512 samples with 64 of context; each step has the state that the model as given arrived with. */
export async function silero(wav: string, model: string): Promise<Dataset> {
  const file = new wavefile.WaveFile(readFileSync(wav));
  file.toBitDepth('32f');
  const sound = Float32Array.from(file.getSamples(false, Float64Array));
  const steps = Math.floor(sound.length / 512);
  const input = new Float32Array(steps * 576);
  const state = new Float32Array(steps * 256);
  const session = await openSession(model);
  const rate = session.inputs.some(({ name }) => name === 'sr');
  let now = Tensor.float32([2, 1, 128], new Float32Array(256));
  for (let i = 0; i < steps; i++) {
    const from = i * 512 - 64;
    for (let j = 0; j < 576; j++) input[i * 576 + j] = sound[from + j] ?? 0;
    state.set(now.as('float32'), i * 256);
    const out = await session.run({
      input: Tensor.float32([1, 576], input.slice(i * 576, (i + 1) * 576)),
      state: now,
      ...(rate && { sr: Tensor.int64([], [16000]) }),
    });
    now = Object.entries(out).find(([name]) => name !== 'output' && name !== 'prob')?.[1] ?? now;
  }
  await session.dispose();
  return inMemory(
    {
      input: Tensor.float32([steps, 1, 576], input),
      state: Tensor.float32([steps, 2, 1, 128], state),
      ...(rate && { sr: Tensor.int64([steps], new Array(steps).fill(16000)) }),
    },
    undefined,
    { name: 'silero test.wav' },
  );
}
