import { LEXICON, PHONEMES, type PhonemeName } from './phonemes.ts';
import type { Random } from './random.ts';
import { resample, type Sound, trim } from './sound.ts';
import { pronounce, type Speaker, speakerOf } from './voice.ts';
import type { Side } from './words.ts';

/** Samples per second of a clip. */
export const RATE = 16000;

/** Who speaks the clips. */
export interface Tongue {
  /** A word by some speaker of the side, at any rate. */
  word(text: string, side: Side, random: Random): Sound;
  /** Some seconds of somebody talking in another language, at RATE. */
  talk(side: Side, random: Random): Float32Array;
}

/** Speaks by `voice.ts`: the same on every machine. */
export function ownTongue(): Tongue {
  const speakers = new Map<string, Speaker>();
  const kept = new Map<string, Float32Array>();
  const speaker = (side: Side, random: Random): Speaker => {
    const number = side.speakers[0] + random.below(side.speakers[1]);
    const accent = random.pick(side.dialects);
    const key = `${number} ${accent}`;
    const known = speakers.get(key) ?? speakerOf(number, accent);
    speakers.set(key, known);
    return known;
  };
  return {
    word(text, side, random) {
      const ways = LEXICON.get(text);
      if (ways === undefined) throw new Error(`nobody wrote down how ${text} is said`);
      const manner = { pace: 0.8 + 0.8 * random.uniform(), melody: 0.25 * random.normal() - 0.2 };
      return pronounce(random.pick(ways), speaker(side, random), manner, random);
    },
    talk(side, random) {
      const language = random.below(side.languages);
      // A dozen voices a side are enough for a background.
      const voice = side.speakers[0] + random.below(12);
      const key = `${language} ${voice}`;
      return remembered(kept, key, () => {
        const own = random.other(1000 * side.speakers[0] + 100 * language + voice);
        const manner = { pace: 1.25, melody: -0.2 };
        return pronounce(syllables(own), speakerOf(voice, side.dialects[0]! + language), manner, own);
      });
    },
  };
}

/** Gibberish: open syllables of a few sounds that this speaker's language favours. */
function syllables(random: Random): PhonemeName[] {
  const names = Object.keys(PHONEMES) as PhonemeName[];
  const vowels = random.shuffle(names.filter((name) => /^[AEIOU]/.test(name))).slice(0, 6);
  const consonants = random.shuffle(names.filter((name) => !/^[AEIOU]/.test(name))).slice(0, 12);
  return Array.from({ length: 30 }, () => [random.pick(consonants), random.pick(vowels)]).flat();
}

/** Voices in the background cost most of the time: each is spoken once. */
function remembered(kept: Map<string, Float32Array>, key: string, say: () => Sound): Float32Array {
  let talk = kept.get(key);
  if (talk === undefined) {
    const spoken = say();
    talk = resample(trim(spoken.samples), spoken.rate / RATE);
    kept.set(key, talk);
  }
  return talk;
}
