import { useEffect, useRef, useState } from 'preact/hooks';
import { said } from '../../server/model.ts';
import type { InputProps } from '../input.ts';
import { layoutOf } from '../kinds.ts';
import { pixelsOf, type Range, rangeOf } from '../pixels.ts';
import { useRemembered } from '../remembered.ts';
import { FileDrop } from './file-drop.tsx';
import { PixelOptions } from './pixel-options.tsx';

const FITS = { cover: 'cut to fill', contain: 'whole, with bars', stretch: 'stretched' } as const;
type Fit = keyof typeof FITS;

/** A picture from a file, brought to the size that the model takes. */
export function PictureInput({ info, port, shape, onGiven }: InputProps) {
  const seen = useRef<HTMLCanvasElement>(null);
  const [picture, setPicture] = useState<ImageBitmap>();
  const [name, setName] = useState('');
  const [trouble, setTrouble] = useState('');
  const [fit, setFit] = useRemembered<Fit>(`${info.name}:cut`, ['cover', 'contain', 'stretch'], 'cover');
  const told = rangeOf(said(info, 'pixel_range'), port.datatype);
  const [range, setRange] = useRemembered<Range>(
    `${info.name}:range`,
    ['0..255', '0..1', '-1..1', 'imagenet'],
    told,
  );
  const [inverted, setInverted] = useRemembered(`${info.name}:inverted`, ['yes', 'no'], 'no');
  const layout = layoutOf(port)!;
  const [height, width] = [shape[layout.row]!, shape[layout.column]!];
  const size = shape.join();
  useEffect(() => {
    if (picture === undefined) return onGiven({ why: 'no picture is chosen yet' });
    const context = seen.current!.getContext('2d', { willReadFrequently: true })!;
    draw(context, picture, fit);
    const image = context.getImageData(0, 0, width, height);
    const data = pixelsOf(image, {
      layout,
      shape,
      range,
      inverted: inverted === 'yes',
      datatype: port.datatype,
    });
    onGiven({ values: { name: port.name, datatype: port.datatype, shape, data } });
  }, [picture, fit, range, inverted, size]);

  const open = async (file: File) => {
    try {
      setPicture(await createImageBitmap(file));
      setName(file.name);
      setTrouble('');
    } catch {
      setTrouble(`${file.name} is no picture that this browser can read.`);
    }
  };
  return (
    <div class="picture">
      <FileDrop
        accept="image/*"
        words={name === '' ? 'Drop a picture here, or choose one' : name}
        onFile={open}
      />
      {trouble !== '' && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      <div class="beside">
        <figure>
          <canvas
            ref={seen}
            class="seen large"
            width={width}
            height={height}
            role="img"
            aria-label="What the model sees"
          />
          <figcaption>
            what the model sees, {width} × {height}
          </figcaption>
        </figure>
        <label class="field">
          Brought to size
          <select value={fit} onChange={(event) => setFit(event.currentTarget.value as Fit)}>
            {Object.entries(FITS).map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <PixelOptions
          range={range}
          onRange={setRange}
          inverted={inverted === 'yes'}
          onInverted={(on) => setInverted(on ? 'yes' : 'no')}
          invertedLabel="Negative"
        />
      </div>
    </div>
  );
}

function draw(context: CanvasRenderingContext2D, picture: ImageBitmap, fit: Fit): void {
  const { width, height } = context.canvas;
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  const ratios = [width / picture.width, height / picture.height] as const;
  const scale = fit === 'cover' ? Math.max(...ratios) : Math.min(...ratios);
  const [w, h] = fit === 'stretch' ? [width, height] : [picture.width * scale, picture.height * scale];
  context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
}
