import FFT from 'fft.js';
import { fail } from '../../base/index.ts';
import type { AudioOptions } from '../options.ts';
import { dctRows, melFilters } from './mel.ts';

/** Features of a sound, [frames, width] in row-major order. */
export interface Features {
  readonly frames: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** What the two conventions do differently. */
interface Convention {
  /** Multiplies samples of -1..1. */
  readonly gain: number;
  /** Subtracts the mean of each frame, then pre-emphasises it by this. */
  readonly emphasis: number | undefined;
  window(n: number, length: number): number;
  /** 1: magnitudes, 2: powers. */
  readonly power: 1 | 2;
  log(energy: number): number;
  dctScale(k: number, mels: number): number;
  /** Multiplies cepstrum k. */
  lifter(k: number): number;
}

const KALDI_LIFTER = 22;
/** float32's epsilon: where Kaldi floors energies. */
const KALDI_FLOOR = 2 ** -23;

const CONVENTIONS: Readonly<Record<AudioOptions['convention'], Convention>> = {
  tensorflow: {
    gain: 1,
    emphasis: undefined,
    window: (n, length) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length),
    power: 1,
    log: (energy) => Math.log(energy + 1e-6),
    // tf.signal.dct of type 2 has a factor 2; mfccs_from_log_mel_spectrograms divides by sqrt(2 * mels).
    dctScale: (_, mels) => 2 / Math.sqrt(2 * mels),
    lifter: () => 1,
  },
  kaldi: {
    gain: 32768,
    emphasis: 0.97,
    window: (n, length) => (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / (length - 1))) ** 0.85,
    power: 2,
    log: (energy) => Math.log(Math.max(energy, KALDI_FLOOR)),
    dctScale: (k, mels) => Math.sqrt((k === 0 ? 1 : 2) / mels),
    lifter: (k) => 1 + (KALDI_LIFTER / 2) * Math.sin((Math.PI * k) / KALDI_LIFTER),
  },
};

/** Makes the features that the options declare; one object serves many sounds. Throws USAGE_BAD_OPTION. */
export function frontEnd(options: AudioOptions): (samples: Float64Array) => Features {
  const { window: length, hop, mels, rate, low, high, coefficients } = options;
  const convention = CONVENTIONS[options.convention];
  const size = options.fft ?? 2 ** Math.ceil(Math.log2(length));
  if (size < length || size < 2 || !Number.isInteger(Math.log2(size))) {
    throw fail('USAGE_BAD_OPTION', `preprocess.audio.fft: ${size} is no power of two of at least ${length}`);
  }
  if (!(low < high && high <= rate / 2)) {
    throw fail(
      'USAGE_BAD_OPTION',
      `preprocess.audio: mel filters from ${low} to ${high} Hz at ${rate} samples/s`,
    );
  }
  if (options.frontEnd === 'mfcc' && coefficients > mels) {
    throw fail('USAGE_BAD_OPTION', `preprocess.audio: ${coefficients} coefficients of ${mels} mel filters`);
  }
  const shape = Float64Array.from({ length }, (_, n) => convention.window(n, length));
  const spectrum = spectrumOf(size, shape, convention);
  const filters = melFilters(mels, size / 2 + 1, rate, low, high);
  const cepstra = dctRows(coefficients, mels, (k) => convention.dctScale(k, mels) * convention.lifter(k));
  const width = options.frontEnd === 'mfcc' ? coefficients : mels;
  const logs = new Float64Array(mels);
  return (samples) => {
    const frames = Math.floor((samples.length - length) / hop) + 1;
    if (frames < 1) {
      const why = `a recording of ${samples.length} samples is shorter than the window of ${length}`;
      throw fail('DATA_SHAPE_MISMATCH', why, { hint: 'Declare preprocess.audio.length.' });
    }
    const data = new Float32Array(frames * width);
    for (let frame = 0; frame < frames; frame++) {
      const bins = spectrum(samples.subarray(frame * hop, frame * hop + length));
      for (let m = 0; m < mels; m++) {
        const weights = filters.weights[m]!;
        const first = filters.first[m]!;
        let energy = 0;
        for (let i = 0; i < weights.length; i++) energy += weights[i]! * bins[first + i]!;
        logs[m] = convention.log(energy);
      }
      const row = frame * width;
      if (options.frontEnd !== 'mfcc') {
        data.set(logs, row);
        continue;
      }
      for (let k = 0; k < coefficients; k++) {
        let sum = 0;
        for (let m = 0; m < mels; m++) sum += cepstra[k]![m]! * logs[m]!;
        data[row + k] = sum;
      }
    }
    return { frames, width, data };
  };
}

/** The magnitudes or powers of one frame; the array is used again for the next. */
function spectrumOf(
  size: number,
  shape: Float64Array,
  convention: Convention,
): (frame: Float64Array) => Float64Array {
  const fft = new FFT(size);
  const input = new Float64Array(size);
  const output = new Float64Array(2 * size);
  const bins = new Float64Array(size / 2 + 1);
  return (frame) => {
    prepare(frame, input, convention);
    for (let n = 0; n < shape.length; n++) input[n]! *= shape[n]!;
    fft.realTransform(output, input);
    for (let bin = 0; bin < bins.length; bin++) {
      const power = output[2 * bin]! ** 2 + output[2 * bin + 1]! ** 2;
      bins[bin] = convention.power === 2 ? power : Math.sqrt(power);
    }
    return bins;
  };
}

function prepare(frame: Float64Array, input: Float64Array, { gain, emphasis }: Convention): void {
  for (let n = 0; n < frame.length; n++) input[n] = frame[n]! * gain;
  if (emphasis === undefined) return;
  let mean = 0;
  for (let n = 0; n < frame.length; n++) mean += input[n]!;
  mean /= frame.length;
  for (let n = 0; n < frame.length; n++) input[n]! -= mean;
  for (let n = frame.length - 1; n > 0; n--) input[n]! -= emphasis * input[n - 1]!;
  input[0]! -= emphasis * input[0]!;
}
