import { useEffect, useRef, useState } from 'preact/hooks';
import { digits } from '../../format.ts';
import { said } from '../../server/model.ts';
import type { InputProps } from '../input.ts';
import { useRemembered } from '../remembered.ts';
import { decodedSound, loudest, record } from '../sound.ts';
import { FileDrop } from './file-drop.tsx';

const RATES = ['8000', '16000', '22050', '32000', '44100', '48000'] as const;
type Rate = (typeof RATES)[number];
/** s; what is recorded at most. */
const LONGEST = 30;

/** A sound from a file or from the microphone, at the rate and of the length that the model takes. */
export function SoundInput({ info, port, shape, onGiven }: InputProps) {
  const wave = useRef<HTMLCanvasElement>(null);
  const told = RATES.find((rate) => rate === said(info, 'sample_rate', 'sampling_rate')) ?? '16000';
  const [rate, setRate] = useRemembered<Rate>(`${info.name}:rate`, RATES, told);
  const [source, setSource] = useState<{ name: string; blob: Blob }>();
  const [recorder, setRecorder] = useState<Awaited<ReturnType<typeof record>>>();
  const [about, setAbout] = useState('');
  const [trouble, setTrouble] = useState('');
  const open = port.shape.at(-1) === -1;
  useEffect(() => {
    if (source === undefined) return onGiven({ why: 'there is no sound yet' });
    let current = true;
    decodedSound(source.blob, Number(rate)).then(
      (sound) => {
        if (!current) return;
        const heard = open ? sound : loudest(sound, shape.at(-1)!);
        drawWave(wave.current!, heard);
        setTrouble('');
        const cut = heard.length < sound.length ? `, the loudest ${seconds(heard.length, rate)} of it` : '';
        setAbout(`${seconds(sound.length, rate)} of sound${cut}; ${heard.length} samples`);
        const data = port.datatype === 'INT16' ? heard.map((x) => Math.round(x * 32767)) : heard;
        const whole = [...shape.slice(0, -1), heard.length];
        onGiven({ values: { name: port.name, datatype: port.datatype, shape: whole, data } });
      },
      () => {
        setTrouble(`${source.name} is no sound that this browser can read.`);
        onGiven({ why: 'there is no sound yet' });
      },
    );
    return () => {
      current = false;
    };
  }, [source, rate, shape.at(-1)]);

  useEffect(() => {
    if (recorder === undefined) return;
    const timer = setTimeout(() => void finish(), LONGEST * 1000);
    return () => clearTimeout(timer);
  });

  const begin = async () => {
    try {
      setRecorder(await record());
      setTrouble('');
    } catch (error) {
      setTrouble(`The microphone cannot be used: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const finish = async () => {
    const blob = await recorder?.stop();
    setRecorder(undefined);
    if (blob !== undefined) setSource({ name: 'The recording', blob });
  };
  return (
    <div class="sound">
      <div class="row">
        <button
          type="button"
          class={`button ${recorder === undefined ? '' : 'recording'}`}
          aria-pressed={recorder !== undefined}
          onClick={recorder === undefined ? begin : finish}
        >
          {recorder === undefined ? 'Record' : 'Stop'}
        </button>
        <label class="field inline">
          at
          <select value={rate} onChange={(event) => setRate(event.currentTarget.value as Rate)}>
            {RATES.map((value) => (
              <option key={value} value={value}>
                {Number(value) / 1000} kHz
              </option>
            ))}
          </select>
        </label>
      </div>
      <FileDrop
        accept="audio/*"
        words={source === undefined ? 'Drop a WAV file here, or choose one' : source.name}
        onFile={(file) => setSource({ name: file.name, blob: file })}
      />
      {trouble !== '' && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      <canvas
        ref={wave}
        class="wave"
        hidden={about === ''}
        width={560}
        height={72}
        role="img"
        aria-label="Loudness of the sound"
      />
      <p class="quiet" role="status">
        {about}
      </p>
    </div>
  );
}

function seconds(samples: number, rate: Rate): string {
  return `${digits(samples / Number(rate))} s`;
}

function drawWave(canvas: HTMLCanvasElement, sound: Float32Array): void {
  const context = canvas.getContext('2d')!;
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  const each = sound.length / width;
  for (let x = 0; x < width; x++) {
    let most = 0;
    for (let i = Math.floor(x * each); i < (x + 1) * each; i++)
      most = Math.max(most, Math.abs(sound[i] ?? 0));
    const tall = Math.max(1, most * height);
    context.fillRect(x, (height - tall) / 2, 1, tall);
  }
}
