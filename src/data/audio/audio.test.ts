import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import wavefile from 'wavefile';
import { sharedData } from '../../../test/shared-data.ts';
import { Random } from '../../base/index.ts';
import { type DataOptions, openDataset } from '../index.ts';
import { audioOptions } from '../options.ts';
import { frontEnd } from './front-end.ts';
import { fitLength, resample } from './resample.ts';
import { decodeWav } from './wav.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-audio-'));
});
after(() => rm(folder, { recursive: true }));

type Audio = NonNullable<DataOptions['preprocess']>['audio'];

function sine(hertz: number, rate: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, t) => 0.5 * Math.sin((2 * Math.PI * hertz * t) / rate));
}

function wav(channels: number, rate: number, depth: string, samples: ArrayLike<number>[]): Uint8Array {
  const file = new wavefile.WaveFile();
  file.fromScratch(channels, rate, depth, channels === 1 ? samples[0]! : samples);
  return file.toBuffer();
}

test('every bit depth gives the same sound', () => {
  const sound = sine(440, 8000, 400);
  const scales = {
    '8': [127, 128],
    '16': [32767, 0],
    '24': [8388607, 0],
    '32': [2147483647, 0],
    '32f': [1, 0],
  } as const;
  for (const [depth, [scale, zero]] of Object.entries(scales)) {
    const values = Array.from(sound, (v) => (depth === '32f' ? v : Math.round(v * scale) + zero));
    const { rate, samples } = decodeWav(wav(1, 8000, depth, [values]), depth);
    assert.equal(rate, 8000);
    assert.equal(samples.length, 400);
    for (const [t, value] of samples.entries()) {
      assert.ok(Math.abs(value - sound[t]!) < (depth === '8' ? 0.01 : 1e-4), `${depth} at ${t}: ${value}`);
    }
  }
  const companded = new wavefile.WaveFile(
    wav(1, 8000, '16', [Array.from(sound, (v) => Math.round(v * 32767))]),
  );
  companded.toMuLaw();
  const { samples } = decodeWav(companded.toBuffer(), 'mu-law');
  for (const [t, value] of samples.entries()) assert.ok(Math.abs(value - sound[t]!) < 0.03);
});

test('channels are averaged', () => {
  const { samples } = decodeWav(
    wav(2, 8000, '16', [Int16Array.of(16384, 0), Int16Array.of(0, -16384)]),
    'stereo',
  );
  assert.deepEqual(Array.from(samples), [0.25, -0.25]);
});

test('resampling keeps a tone below the band edge and takes away one above it', () => {
  for (const [from, to] of [
    [8000, 16000],
    [44100, 16000],
    [16000, 8000],
    [48000, 16000],
  ] as const) {
    const kept = resample(sine(1000, from, from), from, to);
    assert.equal(kept.length, to);
    const wanted = sine(1000, to, to);
    let worst = 0;
    for (let t = 200; t < to - 200; t++) worst = Math.max(worst, Math.abs(kept[t]! - wanted[t]!));
    assert.ok(worst < 2e-3, `${from} to ${to}: ${worst}`);
    if (to > from) continue;
    const gone = resample(sine(to * 0.6, from, from), from, to).subarray(200, to - 200);
    assert.ok(Math.max(...gone.map(Math.abs)) < 2e-3, `${from} to ${to}: alias`);
  }
  const flat = resample(new Float64Array(2000).fill(1), 44100, 16000).subarray(100, 600);
  for (const value of flat) assert.ok(Math.abs(value - 1) < 1e-9);
});

test('length is cut or padded where the options say', () => {
  const sound = Float64Array.of(1, 2, 3);
  assert.deepEqual(Array.from(fitLength(sound, 5, 'start')), [1, 2, 3, 0, 0]);
  assert.deepEqual(Array.from(fitLength(sound, 5, 'center')), [0, 1, 2, 3, 0]);
  assert.deepEqual(Array.from(fitLength(sound, 5, 'end')), [0, 0, 1, 2, 3]);
  assert.deepEqual(Array.from(fitLength(sound, 2, 'start')), [1, 2]);
  assert.deepEqual(Array.from(fitLength(sound, 2, 'end')), [2, 3]);
  assert.deepEqual(Array.from(fitLength(sound, 1, 'center')), [2]);
});

/** The definitions, written down as sums: no FFT, no skipped weights. */
function slowFeatures(sound: Float64Array, audio: ReturnType<typeof audioOptions.parse>): number[][] {
  const { window: length, hop, rate, mels, low, high, coefficients } = audio;
  const tf = audio.convention === 'tensorflow';
  const size = audio.fft!;
  const mel = (f: number) => 2595 * Math.log10(1 + f / 700);
  const rows: number[][] = [];
  for (let start = 0; start + length <= sound.length; start += hop) {
    let frame = Array.from(sound.subarray(start, start + length));
    if (!tf) {
      frame = frame.map((v) => v * 32768);
      const mean = frame.reduce((a, b) => a + b) / length;
      const centred = frame.map((v) => v - mean);
      frame = centred.map((v, n) => v - 0.97 * centred[Math.max(0, n - 1)]!);
    }
    const windowed = frame.map((v, n) =>
      tf
        ? v * Math.sin((Math.PI * n) / length) ** 2
        : v * (Math.sin((Math.PI * n) / (length - 1)) ** 2) ** 0.85,
    );
    const energies: number[] = Array(mels).fill(0);
    for (let k = 0; k <= size / 2; k++) {
      let re = 0;
      let im = 0;
      for (const [n, v] of windowed.entries()) {
        re += v * Math.cos((2 * Math.PI * k * n) / size);
        im -= v * Math.sin((2 * Math.PI * k * n) / size);
      }
      const strength = tf ? Math.hypot(re, im) : re * re + im * im;
      const at = mel((k * rate) / size);
      const step = (mel(high) - mel(low)) / (mels + 1);
      for (let m = 0; m < mels; m++) {
        const centre = mel(low) + (m + 1) * step;
        if (k > 0) energies[m]! += strength * Math.max(0, 1 - Math.abs(at - centre) / step);
      }
    }
    const logs = energies.map((e) => Math.log(tf ? e + 1e-6 : Math.max(e, 1.1920928955078125e-7)));
    if (audio.frontEnd === 'log-mel') {
      rows.push(logs);
      continue;
    }
    rows.push(
      Array.from({ length: coefficients }, (_, k) => {
        let sum = 0;
        for (const [m, v] of logs.entries()) sum += v * Math.cos((Math.PI / mels) * k * (m + 0.5));
        if (tf) return sum * Math.sqrt(2 / mels);
        const lifter = 1 + 11 * Math.sin((Math.PI * k) / 22);
        return sum * Math.sqrt((k === 0 ? 1 : 2) / mels) * lifter;
      }),
    );
  }
  return rows;
}

test('log-mel and MFCC are those of the slow definitions, in both conventions', () => {
  const random = new Random(5);
  const sound = Float64Array.from({ length: 1000 }, (_, t) => 0.2 * Math.sin(t / 5) + 0.1 * random.normal());
  for (const convention of ['tensorflow', 'kaldi'] as const) {
    for (const kind of ['log-mel', 'mfcc'] as const) {
      const options = {
        convention,
        frontEnd: kind,
        window: 200,
        hop: 90,
        fft: 256,
        mels: 23,
        coefficients: 13,
      };
      const audio = audioOptions.parse({ ...options, rate: 8000 });
      const { frames, width, data } = frontEnd(audio)(sound);
      const wanted = slowFeatures(sound, audio);
      assert.deepEqual([frames, width], [wanted.length, kind === 'mfcc' ? 13 : 23]);
      for (const [i, value] of wanted.flat().entries()) {
        assert.ok(
          Math.abs(data[i]! - value) < 1e-4 * Math.max(1, Math.abs(value)),
          `${convention} ${kind} ${i}`,
        );
      }
    }
  }
});

test('one second of MLPerf Tiny keywords gives 49 frames of 10', async () => {
  const path = join(folder, 'second.wav');
  await writeFile(
    path,
    wav(1, 16000, '16', [Array.from(sine(700, 16000, 12000), (v) => Math.round(v * 32767))]),
  );
  const audio: Audio = { length: 16000, frontEnd: 'mfcc' };
  const dataset = await openDataset(path, { preprocess: { audio } });
  assert.deepEqual(dataset.fields, [{ name: 'input', dtype: 'float32', dims: [49, 10] }]);
});

test('front ends that cannot be are refused', async () => {
  const path = join(folder, 'short.wav');
  await writeFile(path, wav(1, 16000, '16', [new Int16Array(100)]));
  const open = (audio: Audio) => openDataset(path, { preprocess: { audio } });
  await assert.rejects(open({ frontEnd: 'mfcc' }), {
    code: 'DATA_SHAPE_MISMATCH',
    message: /shorter than the window/,
  });
  await assert.rejects(open({ frontEnd: 'mfcc', fft: 500 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(open({ frontEnd: 'mfcc', fft: 256 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(open({ frontEnd: 'mfcc', high: 9000 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(open({ frontEnd: 'mfcc', coefficients: 41 }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(open({ frontEnd: 'cepstra' as never }), {
    code: 'USAGE_BAD_OPTION',
    message: /frontEnd/,
  });
});

test('damaged recordings are named, and those of another length', async () => {
  const root = join(folder, 'some');
  await mkdir(root);
  const good = wav(1, 8000, '16', [new Int16Array(300).map((_, t) => t)]);
  await writeFile(join(root, 'a.wav'), good);
  const consume = async (audio: Audio) => {
    for await (const _ of (await openDataset(root, { preprocess: { audio } })).read());
  };
  const bad = join(root, 'b.wav');
  for (const bytes of [
    new Uint8Array(0),
    new TextEncoder().encode('text'),
    good.subarray(0, 40),
    good.subarray(0, 400),
  ]) {
    await writeFile(bad, bytes);
    await assert.rejects(consume({ rate: 8000, length: 300 }), { code: 'DATA_DAMAGED', message: /b\.wav/ });
  }
  for (let at = 0; at < 60; at++) {
    const bytes = Uint8Array.from(good);
    bytes[at]! ^= 0x55;
    await writeFile(bad, bytes);
    await consume({ rate: 8000, length: 300 }).catch((cause) => {
      assert.ok(['DATA_DAMAGED', 'USAGE_BAD_OPTION'].includes(cause.code), `byte ${at}: ${cause.stack}`);
    });
  }
  await writeFile(bad, wav(1, 8000, '16', [new Int16Array(200)]));
  await assert.rejects(consume({ rate: 8000 }), { code: 'DATA_SHAPE_MISMATCH', hint: /length/ });
  await consume({ rate: 8000, length: 250 });
});

test('the spoken digits are read by their names', async (t) => {
  const archive = sharedData('spoken-digits/fsdd.tar.gz');
  if (archive === undefined) return t.skip('data absent');
  const root = join(folder, 'digits');
  await mkdir(root);
  const names = [...Array(10).keys()].map((digit) => `recordings/${digit}_theo_0.wav`);
  const unpacked = spawnSync('tar', ['xzf', archive, '-C', root, ...names]);
  if (unpacked.status !== 0) return t.skip('tar does not unpack the archive');
  const dataset = await openDataset(root, {
    labels: { pattern: '(\\d)_theo' },
    preprocess: { audio: { length: 16000, frontEnd: 'log-mel' } },
  });
  for await (const { labels, feeds } of dataset.read()) {
    assert.deepEqual(labels?.numbers(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(feeds.input?.dims, [10, 49, 40]);
    assert.ok(feeds.input?.numbers().every(Number.isFinite));
  }
});
