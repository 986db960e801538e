import { frontEnd } from '../../src/data/index.ts';
import { RATE } from './tongue.ts';

/** Numbers per clip: 49 frames of 10 coefficients. */
export const FEATURES = 490;
/** Features are rounded to this, exact in float16: far below their own spread, and fewer bytes once compressed. */
export const STEP = 1 / 8;

/** What a folder of the clips would declare as `preprocess.audio` to give the same features, unrounded. */
export const AUDIO = {
  rate: RATE,
  length: RATE,
  align: 'start',
  frontEnd: 'mfcc',
  convention: 'tensorflow',
  window: 480,
  hop: 320,
  mels: 40,
  coefficients: 10,
  low: 20,
  high: 4000,
  gain: 1,
} as const;

const mfcc = frontEnd(AUDIO);

/** One second at 16 kHz to MFCC [49, 10], as MLPerf Tiny takes them. */
export function features(samples: Float32Array): Float32Array {
  return mfcc(Float64Array.from(samples)).data.map((value) => Math.round(value / STEP) * STEP);
}
