import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testClips, trainingClips, validationClips } from '../../examples/keyword-spotter/generate.ts';
import { LEXICON, PHONEMES, type PhonemeName } from '../../examples/keyword-spotter/phonemes.ts';
import { Random } from '../../examples/keyword-spotter/random.ts';
import { pronounce, type Speaker, speakerOf } from '../../examples/keyword-spotter/voice.ts';
import { CLASSES, SIDES } from '../../examples/keyword-spotter/words.ts';
import type { Dataset } from '../../src/data/index.ts';

const CLEAR: Speaker = { ...speakerOf(0, 0), whispers: false, jitter: 0, breath: 0, throat: 1, pitch: 120 };

async function whole(dataset: Dataset): Promise<{ mfcc: number[]; labels: number[] }> {
  for await (const { feeds, labels } of dataset.read({ batch: dataset.size })) {
    return { mfcc: feeds.mfcc!.numbers(), labels: labels!.numbers() };
  }
  throw new Error('empty');
}

/** Power of a sound around a frequency, by correlation with a sine and a cosine. */
function powerAt(samples: Float32Array, frequency: number): number {
  let [x, y] = [0, 0];
  for (const [i, sample] of samples.entries()) {
    // A Hann window keeps the neighbours out.
    const windowed = sample * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / samples.length));
    x += windowed * Math.cos((2 * Math.PI * frequency * i) / 16000);
    y += windowed * Math.sin((2 * Math.PI * frequency * i) / 16000);
  }
  return (x * x + y * y) / samples.length;
}

function powerWithin(samples: Float32Array, low: number, high: number): number {
  let sum = 0;
  for (let frequency = low; frequency < high; frequency += 20) sum += powerAt(samples, frequency);
  return sum;
}

function said(sounds: PhonemeName[], speaker = CLEAR): Float32Array {
  return pronounce(sounds, speaker, { pace: 0.7, melody: 0 }, new Random(1)).samples;
}

test('own voice: it can say every word of every side', () => {
  const words = [...CLASSES.slice(0, 10), ...Object.values(SIDES).flatMap(({ unknown }) => [...unknown])];
  assert.deepEqual(
    words.filter((word) => !LEXICON.has(word)),
    [],
  );
  for (const [word, ways] of LEXICON) {
    assert.ok(
      ways.every((way) => way.length > 0 && way.every((sound) => sound in PHONEMES)),
      word,
    );
  }
  // Two words that sound the same would have two labels.
  for (const known of CLASSES.slice(0, 10)) {
    const sounds = new Set(LEXICON.get(known)!.map((way) => way.join(' ')));
    const same = [...LEXICON].filter(
      ([word, ways]) => word !== known && ways.some((way) => sounds.has(way.join(' '))),
    );
    assert.deepEqual(same, [], known);
  }
});

test('own voice: no speaker is heard in two parts', () => {
  const ranges = [SIDES.train, SIDES.validate, SIDES.evaluate].map(
    ({ speakers: [first, count] }) => [first, first + count] as const,
  );
  for (const [i, [from, to]] of ranges.entries()) {
    for (const [other, until] of ranges.slice(i + 1)) assert.ok(to <= other || until <= from);
  }
  assert.deepEqual(SIDES.quiet.speakers, SIDES.train.speakers);
});

test('own voice: vowels have their formants, an s hisses high, an m hums low', () => {
  for (const name of ['IY', 'AA', 'UW', 'AE'] as const) {
    const vowel = said([name]);
    const middle = vowel.subarray(Math.floor(vowel.length * 0.3), Math.floor(vowel.length * 0.7));
    const [f1, f2] = PHONEMES[name].from.map((f, i) => f * CLEAR.vowels.get(name)![i]!) as [number, number];
    // More around the second formant than halfway to it.
    const between = (f1 + f2) / 2;
    const hump = powerWithin(middle, f2 - 150, f2 + 150) / powerWithin(middle, between - 150, between + 150);
    assert.ok(hump > 1 || f2 < 1400, `${name}: ${hump}`);
    assert.ok(powerWithin(middle, f1 - 120, f1 + 120) > powerWithin(middle, f2 + 300, f2 + 540), name);
  }
  const share = (sound: Float32Array) => powerWithin(sound, 3500, 7500) / powerWithin(sound, 60, 7500);
  const [s, m] = [said(['S']), said(['M'])];
  assert.ok(share(s) > 0.8 && share(m) < 0.1, `${share(s)} and ${share(m)}`);
});

test('own voice: the pitch is that of the speaker', () => {
  for (const pitch of [100, 220]) {
    const vowel = said(['AA'], { ...CLEAR, pitch });
    const middle = vowel.subarray(Math.floor(vowel.length * 0.25), Math.floor(vowel.length * 0.75));
    // Autocorrelation has its highest peak at the period; the sentence begins a tenth of an octave high.
    let [best, lag] = [0, 0];
    for (let shift = 40; shift < 250; shift++) {
      let sum = 0;
      for (let i = 0; i + shift < middle.length; i++) sum += middle[i]! * middle[i + shift]!;
      if (sum > best) [best, lag] = [sum, shift];
    }
    const heard = 16000 / lag;
    assert.ok(heard / pitch > 0.95 && heard / pitch < 1.15, `${heard} Hz, not ${pitch}`);
  }
});

test('own voice: the same seed gives the same clips, in a longer set too; classes are balanced', async () => {
  const [one, again, other, longer] = await Promise.all([
    whole(trainingClips(1, 21)),
    whole(trainingClips(1, 21)),
    whole(trainingClips(2, 21)),
    whole(trainingClips(1, 126)),
  ]);
  assert.deepEqual(one, again);
  assert.notDeepEqual(one.mfcc, other.mfcc);
  assert.deepEqual(longer.mfcc.slice(0, 21 * 490), one.mfcc);
  // 120 in blocks of twelve, and six more of silence.
  for (let label = 0; label < CLASSES.length; label++) {
    assert.equal(longer.labels.filter((one) => one === label).length, label === 10 ? 16 : 10);
  }
  assert.ok(longer.mfcc.every((value) => Number.isFinite(value) && Math.abs(value) < 256));
  assert.notDeepEqual((await whole(validationClips(12))).mfcc, (await whole(testClips(12))).mfcc);
});
