import { execFileSync } from 'node:child_process';

/** What espeak-ng is asked to say, and how. */
export interface Utterance {
  readonly text: string;
  /** Accent and variant: 'en-us+f2'. */
  readonly voice: string;
  /** Words per minute. */
  readonly speed: number;
  /** 0 to 99. */
  readonly pitch: number;
}

/** Audio samples, mono. */
export interface Sound {
  readonly samples: Float32Array;
  /** Samples per second. */
  readonly rate: number;
}

/** The version of espeak-ng on this machine ('1.51'), or undefined where it is not installed. */
export function espeakVersion(): string | undefined {
  try {
    const text = execFileSync('espeak-ng', ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

/** The files of all voice variants: espeak-ng falls back without a word on a variant that it lacks. */
export function espeakVariants(): ReadonlySet<string> {
  const text = execFileSync('espeak-ng', ['--voices=variant'], { encoding: 'utf8' });
  return new Set([...text.matchAll(/ !v\/(\S+)/g)].map((match) => match[1]!));
}

/** Speaks; the result is the same for the same utterance and version. Throws where espeak-ng refuses. */
export function speak(utterance: Utterance): Sound {
  const { text, voice, speed, pitch } = utterance;
  const options = ['-v', voice, '-s', String(speed), '-p', String(pitch), '--stdout', text];
  const wav = execFileSync('espeak-ng', options, {
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // The header is always the 44 bytes of 16-bit mono PCM; its length fields are unset on a pipe.
  if (wav.length <= 44 || wav.toString('latin1', 0, 4) !== 'RIFF' || wav.readUInt16LE(34) !== 16)
    throw new Error(`espeak-ng gave no 16-bit WAV for ${JSON.stringify(utterance)}`);
  const samples = new Float32Array((wav.length - 44) >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = wav.readInt16LE(44 + 2 * i) / 32768;
  return { samples, rate: wav.readUInt32LE(24) };
}
