import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeNpz } from '../../src/data/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { ClipMaker } from './clip.ts';
import { espeakVariants, espeakVersion } from './espeak.ts';
import { FEATURES, features, STEP } from './features.ts';
import { espeakTongue, RATE } from './tongue.ts';
import { CLASSES, SIDES, type SideName } from './words.ts';

/** The seed of the committed evaluation set and of the training set that its model was trained on. */
export const SEED = 1;
/** The version of espeak-ng that spoke it. Another version may speak otherwise. */
export const MADE_WITH = '1.51';

const HELP = `Makes the data of the keyword spotter with espeak-ng.

  node synthesise.js --side train|quiet|evaluate --samples N --out FILE.npz [--first 0] [--seed ${SEED}]
  node synthesise.js --side train|quiet|evaluate --samples N --wav FOLDER    the clips themselves, one folder a class
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      side: { type: 'string', default: 'evaluate' },
      samples: { type: 'string', default: '3000' },
      first: { type: 'string', default: '0' },
      seed: { type: 'string', default: String(SEED) },
      out: { type: 'string' },
      wav: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const count = Number(values.samples);
  const first = Number(values.first);
  const seed = Number(values.seed);
  const side = values.side;
  if (values.help || (!values.out && !values.wav)) {
    process.stdout.write(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  if (!isSide(side) || ![count, first, seed].every(Number.isSafeInteger) || count < 1 || first < 0) {
    process.stderr.write(
      '--side is train, quiet, validate or evaluate; --samples, --first and --seed are whole numbers\n',
    );
    process.exitCode = 2;
    return;
  }
  requireVoices(side);
  const maker = new ClipMaker(side, seed, espeakTongue());
  if (values.wav) {
    for (let i = 0; i < count; i++) {
      const { samples, label } = maker.make(first + i);
      const file = join(
        values.wav,
        CLASSES[label]!,
        `${side}-${seed}-${String(first + i).padStart(5, '0')}.wav`,
      );
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, wavBytes(samples));
      tell(i + 1, count);
    }
  }
  if (values.out) {
    const mfcc = new Uint16Array(count * FEATURES);
    const labels = new BigInt64Array(count);
    for (let i = 0; i < count; i++) {
      const { samples, label } = maker.make(first + i);
      mfcc.set(Uint16Array.from(features(samples), halfOfStep), i * FEATURES);
      labels[i] = BigInt(label);
      tell(i + 1, count);
    }
    mkdirSync(dirname(resolve(values.out)), { recursive: true });
    const arrays = {
      mfcc: Tensor.of('float16', [count, 1, 49, 10], mfcc),
      labels: Tensor.of('int64', [count], labels),
    };
    await writeNpz(values.out, arrays, { compress: true });
  }
}

/** The binary16 of a multiple of STEP below 256: eleven bits hold it exactly. */
function halfOfStep(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
  if (!Number.isInteger(value / STEP) || !Number.isInteger(fraction) || exponent > 7) {
    throw new Error(`${value} is no multiple of ${STEP} below 256`);
  }
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

/** A WAV file: 16-bit PCM, mono, 16 kHz. */
export function wavBytes(samples: Float32Array): Buffer {
  const wav = Buffer.alloc(44 + 2 * samples.length);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(2 * RATE, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, i) => {
    wav.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(32768 * sample))), 44 + 2 * i);
  });
  return wav;
}

function requireVoices(side: SideName): void {
  if (espeakVersion() === undefined) throw new Error('espeak-ng is not installed: apt-get install espeak-ng');
  const known = espeakVariants();
  const missing = SIDES[side].variants.filter((variant) => !known.has(variant));
  if (missing.length > 0) throw new Error(`this espeak-ng lacks the voice variants ${missing.join(', ')}`);
}

function isSide(name: string | undefined): name is SideName {
  return name !== undefined && name in SIDES;
}

function tell(done: number, count: number): void {
  if (process.stderr.isTTY && (done % 50 === 0 || done === count)) {
    process.stderr.write(`\r${done} of ${count}${done === count ? '\n' : ''}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
