import { useEffect, useState } from 'preact/hooks';
import { isFloat, misfit, sizeOf } from '../../server/tensors.ts';
import type { Given, InputProps } from '../input.ts';
import { FileDrop } from './file-drop.tsx';

/** Numbers that a text field still takes well. */
const MOST_SHOWN = 4096;

/** Values as a JSON list, flat or nested; or filled in, to see a model answer at once. */
export function JsonInput({ port, shape, onGiven }: InputProps) {
  const { name, datatype } = port;
  const size = sizeOf(shape);
  const [text, setText] = useState(() => (datatype === 'BYTES' ? '[""]' : textOf(zeros(size), shape)));
  useEffect(() => onGiven(read(text, port, shape)), [text, shape.join()]);

  const fill = (values: readonly number[]) => setText(textOf(values, shape));
  return (
    <div class="json">
      <textarea
        rows={6}
        spellcheck={false}
        value={text.length > 16 * MOST_SHOWN ? '' : text}
        placeholder={`${size.toLocaleString('en-US')} numbers: too many to show`}
        aria-label={`${name}, as JSON`}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {datatype !== 'BYTES' && (
        <div class="row">
          <button type="button" class="button small" onClick={() => fill(zeros(size))}>
            Zeros
          </button>
          <button type="button" class="button small" onClick={() => fill(random(size, datatype))}>
            Random
          </button>
          <FileDrop
            accept=".json,application/json"
            words="From a .json file"
            onFile={async (file) => setText(await file.text())}
          />
        </div>
      )}
    </div>
  );
}

function zeros(size: number): number[] {
  return new Array<number>(size).fill(0);
}

/** Standard normal for floats; 0 or 1 else, which is inside of any vocabulary. */
function random(size: number, datatype: string): number[] {
  return Array.from({ length: size }, () => {
    if (!isFloat(datatype)) return Math.round(Math.random());
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    return Number((radius * Math.cos(2 * Math.PI * Math.random())).toFixed(3));
  });
}

/** Nested by its last dimension, a row a line. */
function textOf(values: readonly number[], shape: readonly number[]): string {
  const row = shape.at(-1) ?? 1;
  if (values.length <= row || row === 0) return JSON.stringify(values);
  const rows: string[] = [];
  for (let i = 0; i < values.length; i += row) rows.push(JSON.stringify(values.slice(i, i + row)));
  return `[\n${rows.join(',\n')}\n]`;
}

function read(text: string, { name, datatype }: InputProps['port'], shape: readonly number[]): Given {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return { why: `no JSON: ${error instanceof Error ? error.message : ''}` };
  }
  const data = (Array.isArray(parsed) ? parsed.flat(Number.POSITIVE_INFINITY as 1) : [parsed]) as unknown[];
  const size = sizeOf(shape);
  if (data.length !== size) return { why: `${size} values are taken, there are ${data.length}` };
  if (datatype === 'BYTES') return { values: { name, datatype, shape, data: data.map(String) } };
  const numbers = data.map((value) => (typeof value === 'boolean' ? Number(value) : value));
  for (const [i, value] of numbers.entries()) {
    const why = typeof value === 'number' ? misfit(datatype, value) : 'not a number';
    if (why !== undefined) return { why: `value ${i + 1}: ${why}` };
  }
  return { values: { name, datatype, shape, data: numbers as number[] } };
}
