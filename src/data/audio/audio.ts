import { Tensor } from '../../graph/index.ts';
import type { FileKind } from '../folders/dataset-of-files.ts';
import type { AudioOptions } from '../options.ts';
import { frontEnd } from './front-end.ts';
import { fitLength, resample } from './resample.ts';
import { decodeWav } from './wav.ts';

/** WAV files as samples: [length] of raw sound, or [frames, coefficients] of features (float32). */
export function audioKind(options: AudioOptions): FileKind {
  const features = options.frontEnd === 'raw' ? undefined : frontEnd(options);
  return {
    extensions: ['.wav', '.wave'],
    uneven: 'Declare preprocess.audio.length, and all recordings are cut or padded to it.',
    decode(bytes, name) {
      const { rate, samples } = decodeWav(bytes, name);
      const resampled = resample(samples, rate, options.rate);
      const fitted = options.length ? fitLength(resampled, options.length, options.align) : resampled;
      const scaled = options.gain === 1 ? fitted : fitted.map((value) => value * options.gain);
      if (features === undefined) return Tensor.float32([scaled.length], Float32Array.from(scaled));
      const { frames, width, data } = features(scaled);
      return Tensor.float32([frames, width], data);
    },
  };
}
