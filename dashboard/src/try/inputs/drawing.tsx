import { useEffect, useRef, useState } from 'preact/hooks';
import { said } from '../../server/model.ts';
import type { InputProps } from '../input.ts';
import { layoutOf } from '../kinds.ts';
import { inkBox, pixelsOf, type Range, rangeOf } from '../pixels.ts';
import { useRemembered } from '../remembered.ts';
import { PixelOptions } from './pixel-options.tsx';

/** Pixels of the board that is drawn on. */
const BOARD = 280;
const PEN = 20;
/** Share of the picture that the drawing fills, as in MNIST: 20 of 28 pixels. */
const FILLED = 20 / 28;
const STEP = 8;

/** A board to draw on, with a pointer or with the keys, and what the model sees of it. */
export function DrawingInput({ info, port, shape, onGiven }: InputProps) {
  const board = useRef<HTMLCanvasElement>(null);
  const seen = useRef<HTMLCanvasElement>(null);
  const pen = useRef({ x: BOARD / 2, y: BOARD / 2, down: false });
  const [strokes, setStrokes] = useState(0);
  const [empty, setEmpty] = useState(true);
  const [fit, setFit] = useRemembered(`${info.name}:fit`, ['yes', 'no'], 'yes');
  const told = rangeOf(said(info, 'pixel_range'), port.datatype);
  const [range, setRange] = useRemembered<Range>(
    `${info.name}:range`,
    ['0..255', '0..1', '-1..1', 'imagenet'],
    told,
  );
  const [paper, setPaper] = useRemembered(`${info.name}:paper`, ['black', 'white'], 'black');
  const layout = layoutOf(port)!;
  const [height, width] = [shape[layout.row]!, shape[layout.column]!];
  const size = shape.join();
  useEffect(() => {
    const inked = reduced(board.current!, seen.current!, fit === 'yes');
    setEmpty(!inked);
    if (!inked) return onGiven({ why: 'nothing is drawn yet' });
    const image = seen.current!.getContext('2d')!.getImageData(0, 0, width, height);
    const data = pixelsOf(image, {
      layout,
      shape,
      range,
      inverted: paper === 'white',
      datatype: port.datatype,
    });
    onGiven({ values: { name: port.name, datatype: port.datatype, shape, data } });
  }, [strokes, fit, range, paper, size]);

  const line = (x: number, y: number) => {
    const context = board.current!.getContext('2d')!;
    context.strokeStyle = '#fff';
    context.lineWidth = PEN;
    context.lineCap = 'round';
    context.beginPath();
    context.moveTo(pen.current.x, pen.current.y);
    context.lineTo(x + 0.01, y);
    context.stroke();
  };
  const moveTo = (x: number, y: number) => {
    if (pen.current.down) line(x, y);
    pen.current = { ...pen.current, x, y };
  };
  const placeOf = (event: PointerEvent) => {
    const frame = board.current!.getBoundingClientRect();
    return [
      ((event.clientX - frame.left) / frame.width) * BOARD,
      ((event.clientY - frame.top) / frame.height) * board.current!.height,
    ] as const;
  };
  const onPointerDown = (event: PointerEvent) => {
    board.current!.setPointerCapture(event.pointerId);
    const [x, y] = placeOf(event);
    setEmpty(false);
    pen.current = { x, y, down: true };
    line(x, y);
  };
  const onPointerMove = (event: PointerEvent) => {
    if (!pen.current.down || event.buttons === 0) return;
    // All the way between two frames, or quick curves become polygons.
    for (const one of event.getCoalescedEvents?.() ?? [event]) moveTo(...placeOf(one));
  };
  const onPointerUp = () => {
    if (!pen.current.down) return;
    pen.current.down = false;
    setStrokes(strokes + 1);
  };
  const clear = () => {
    board.current!.getContext('2d')!.clearRect(0, 0, BOARD, BOARD);
    pen.current = { x: BOARD / 2, y: BOARD / 2, down: false };
    setStrokes(strokes + 1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === 'Delete' || event.key === 'Backspace') clear();
    else if (event.key === ' ') pen.current.down = !pen.current.down;
    else if (step === undefined) return;
    event.preventDefault();
    const { x, y, down } = pen.current;
    moveTo(clamp(x + STEP * (step?.[0] ?? 0)), clamp(y + STEP * (step?.[1] ?? 0)));
    if (down) setStrokes(strokes + 1);
  };
  const clamp = (at: number) => Math.max(0, Math.min(BOARD, at));
  return (
    <div class="drawing">
      <div class="stack">
        {empty && <p aria-hidden="true">Draw here</p>}
        <canvas
          ref={board}
          class="board"
          width={BOARD}
          height={Math.round((BOARD * height) / width)}
          tabIndex={0}
          aria-label="Board. Draw with the pointer; or move the pen with the arrow keys, put it down and lift it with the space bar, clear with Delete."
          onPointerDown={onPointerDown}
          onPointerMove={onPointerMove}
          onPointerUp={onPointerUp}
          onPointerCancel={onPointerUp}
          onKeyDown={onKeyDown}
        />
      </div>
      <div class="beside">
        <figure>
          <canvas
            ref={seen}
            class="seen"
            width={width}
            height={height}
            role="img"
            aria-label="What the model sees"
          />
          <figcaption>
            what the model sees, {width} × {height}
          </figcaption>
        </figure>
        <button type="button" class="button" onClick={clear}>
          Clear
        </button>
        <PixelOptions
          range={range}
          onRange={setRange}
          inverted={paper === 'white'}
          onInverted={(on) => setPaper(on ? 'white' : 'black')}
          invertedLabel="Dark on light"
        />
        <label class="check">
          <input
            type="checkbox"
            checked={fit === 'yes'}
            onChange={(e) => setFit(e.currentTarget.checked ? 'yes' : 'no')}
          />
          Centre and fit
        </label>
      </div>
    </div>
  );
}

/** Draws the board small, as the model takes it; false where it is empty. */
function reduced(board: HTMLCanvasElement, small: HTMLCanvasElement, fit: boolean): boolean {
  const from = board.getContext('2d', { willReadFrequently: true })!;
  const to = small.getContext('2d', { willReadFrequently: true })!;
  const whole = onBlack(from.getImageData(0, 0, board.width, board.height));
  to.fillStyle = '#000';
  to.fillRect(0, 0, small.width, small.height);
  const box = inkBox(whole);
  if (box === undefined) return false;
  to.imageSmoothingEnabled = true;
  to.imageSmoothingQuality = 'high';
  if (!fit) {
    to.drawImage(board, 0, 0, small.width, small.height);
    return true;
  }
  const scale = (FILLED * Math.min(small.width, small.height)) / Math.max(box.width, box.height);
  const [x, y] = [(box.x - box.left) * scale, (box.y - box.top) * scale];
  const [left, top] = [Math.round(small.width / 2 - x), Math.round(small.height / 2 - y)];
  to.drawImage(
    board,
    box.left,
    box.top,
    box.width,
    box.height,
    left,
    top,
    box.width * scale,
    box.height * scale,
  );
  return true;
}

/** White ink on nothing: how much of it there is stands in the alpha. */
function onBlack(image: ImageData): ImageData {
  for (let i = 0; i < image.data.length; i += 4) {
    image.data[i] = (image.data[i]! * image.data[i + 3]!) / 255;
  }
  return image;
}
