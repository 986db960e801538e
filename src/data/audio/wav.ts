import wavefile from 'wavefile';
import { z } from 'zod';
import { fail } from '../../base/index.ts';

/** A decoded recording. */
export interface Recording {
  /** Samples per second. */
  readonly rate: number;
  /** One channel (the mean of those in the file), -1..1. */
  readonly samples: Float64Array;
}

const format = z.object({
  numChannels: z.number().int().min(1).max(1024),
  sampleRate: z.number().int().positive(),
});

/** What integers of a bit depth are divided by; 8-bit ones are unsigned, around 128. */
const FULL_SCALE: Readonly<Record<string, number>> = {
  '8': 128,
  '16': 2 ** 15,
  '24': 2 ** 23,
  '32': 2 ** 31,
  '32f': 1,
  '64': 1,
};

/** Decodes a WAV file: PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law, mu-law or IMA ADPCM. */
export function decodeWav(bytes: Uint8Array, name: string): Recording {
  const wav = new wavefile.WaveFile(bytes);
  if (wav.bitDepth === '8a') wav.fromALaw();
  else if (wav.bitDepth === '8m') wav.fromMuLaw();
  else if (wav.bitDepth === '4') wav.fromIMAADPCM();
  const { numChannels, sampleRate } = format.parse(wav.fmt);
  const full = FULL_SCALE[wav.bitDepth];
  if (full === undefined) throw fail('DATA_DAMAGED', `${name} has ${wav.bitDepth} bits per sample`, { name });
  const interleaved = wav.getSamples(true, Float64Array);
  const length = Math.floor(interleaved.length / numChannels);
  if (length === 0) throw fail('DATA_DAMAGED', `${name} has no samples`, { name });
  checkLength(bytes, name);
  const zero = wav.bitDepth === '8' ? 128 : 0;
  const samples = new Float64Array(length);
  for (let t = 0; t < length; t++) {
    let sum = 0;
    for (let c = 0; c < numChannels; c++) sum += (interleaved[t * numChannels + c]! - zero) / full;
    samples[t] = sum / numChannels;
  }
  return { rate: sampleRate, samples };
}

/** The decoder takes what there is; a data chunk that claims more than the file has was cut off. */
function checkLength(bytes: Uint8Array, name: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const container = tag(view, 0);
  if (container === 'RF64') return;
  const little = container !== 'RIFX';
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, little);
    // Programs that write to a pipe leave the greatest number, or none.
    if (tag(view, at) === 'data' && size !== 0xffffffff && size !== 0 && at + 8 + size > bytes.length) {
      const there = bytes.length - at - 8;
      throw fail('DATA_DAMAGED', `${name} has ${there} of the ${size} bytes of sound that it claims`, {
        name,
      });
    }
    at += 8 + size + (size % 2);
  }
}

function tag(view: DataView, at: number): string {
  return at + 4 <= view.byteLength
    ? String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)))
    : '';
}
