import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { encode } from 'fast-png';
import { HEIGHT, WIDTH } from './canvas.ts';
import { makePicture } from './generate.ts';

/** `node contact-sheet.js FILE.png [--seed 1] [--columns 6] [--rows 6] [--zoom 2]`: pictures side by side, a class a column. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    columns: { type: 'string', default: '6' },
    rows: { type: 'string', default: '6' },
    zoom: { type: 'string', default: '2' },
  },
});
const [seed, columns, rows, zoom] = [values.seed, values.columns, values.rows, values.zoom].map(Number) as [
  number,
  number,
  number,
  number,
];
const [tileWidth, tileHeight] = [WIDTH * zoom + 2, HEIGHT * zoom + 2];
const [width, height] = [columns * tileWidth, rows * tileHeight];
const data = new Uint8Array(width * height * 3).fill(255);
for (let tile = 0; tile < columns * rows; tile++) {
  const turn = Array.from({ length: 6 }, (_, i) => makePicture(seed, Math.floor(tile / 6) * 6 + i));
  const { image } = turn.find(({ obstacle }) => obstacle === tile % 6)!;
  const left = (tile % columns) * tileWidth;
  const top = Math.floor(tile / columns) * tileHeight;
  for (let y = 0; y < HEIGHT * zoom; y++) {
    for (let x = 0; x < WIDTH * zoom; x++) {
      const from = Math.floor(y / zoom) * WIDTH + Math.floor(x / zoom);
      const to = 3 * ((top + y) * width + left + x);
      for (let c = 0; c < 3; c++) data[to + c] = image[c * HEIGHT * WIDTH + from]!;
    }
  }
}
writeFileSync(positionals[0] ?? 'scenes.png', encode({ width, height, data, channels: 3, depth: 8 }));
