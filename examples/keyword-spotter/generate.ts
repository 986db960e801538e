import { type Dataset, inMemory } from '../../src/data/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { ClipMaker } from './clip.ts';
import { FEATURES, features } from './features.ts';
import { Random } from './random.ts';
import { ownTongue } from './tongue.ts';
import { CLASSES } from './words.ts';

/** Of validation and of test. */
export const HELD_OUT = 2400;
/** Every 21st training clip is silence of one of many kinds. */
const QUIET_EVERY = 21;

/**
 * Training clips as features, mfcc float32 [samples, 1, 49, 10]; labels int64. Spoken by `voice.ts`, up to 30 dB below full
 * scale. Clip i depends on the seed and i alone. About 3 ms a clip.
 */
export function trainingClips(seed: number, samples: number): Dataset {
  const tongue = ownTongue();
  const words = new ClipMaker('train', seed, tongue);
  const quiet = new ClipMaker('quiet', seed, tongue);
  return clips(`keyword spotter (training, seed ${seed})`, samples, (i) => {
    const number = Math.floor(i / QUIET_EVERY);
    const { samples: sound, label } =
      i % QUIET_EVERY === QUIET_EVERY - 1 ? quiet.make(number) : words.make(i - number);
    // Clips of these sides reach full scale.
    const gain = 10 ** ((-30 * new Random(Math.imul(i + 1, 0x9e3779b1) ^ seed).uniform()) / 20);
    return { sound: sound.map((value) => gain * value), label };
  });
}

/** Speakers whom the training does not hear, saying the words that it hears. */
export function validationClips(samples = HELD_OUT): Dataset {
  return heldOut('keyword spotter (validation)', 'validate', samples);
}

/** Other speakers, unknown words, noises, rooms and languages in the background than training and validation. */
export function testClips(samples = HELD_OUT): Dataset {
  return heldOut('keyword spotter (test)', 'evaluate', samples);
}

function heldOut(name: string, side: 'validate' | 'evaluate', samples: number): Dataset {
  const maker = new ClipMaker(side, 1, ownTongue());
  return clips(name, samples, (i) => {
    const { samples, label } = maker.make(i);
    return { sound: samples, label };
  });
}

function clips(
  name: string,
  samples: number,
  make: (number: number) => { sound: Float32Array; label: number },
): Dataset {
  const mfcc = new Float32Array(samples * FEATURES);
  const labels = new BigInt64Array(samples);
  for (let i = 0; i < samples; i++) {
    const { sound, label } = make(i);
    mfcc.set(features(sound), i * FEATURES);
    labels[i] = BigInt(label);
  }
  const fields = { mfcc: Tensor.float32([samples, 1, 49, 10], mfcc) };
  return inMemory(fields, Tensor.of('int64', [samples], labels), { name, classes: CLASSES });
}
