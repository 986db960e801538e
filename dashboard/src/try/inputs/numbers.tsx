import { useEffect, useState } from 'preact/hooks';
import { isFloat, misfit, sizeOf } from '../../server/tensors.ts';
import type { InputProps } from '../input.ts';

/** A field for each number. */
export function NumbersInput({ port, shape, onGiven }: InputProps) {
  const { name, datatype } = port;
  const size = sizeOf(shape);
  const [texts, setTexts] = useState<readonly string[]>(() => Array.from({ length: size }, () => '0'));
  const numbers = texts.map((text) => (text.trim() === '' ? Number.NaN : Number(text)));
  const wrong = numbers.findIndex((value) => Number.isNaN(value) || misfit(datatype, value) !== undefined);
  useEffect(() => {
    if (wrong >= 0) {
      const what = Number.isNaN(numbers[wrong]!) ? 'not a number' : misfit(datatype, numbers[wrong]!);
      onGiven({ why: `${size === 1 ? '' : `number ${wrong + 1}: `}${what}` });
    } else onGiven({ values: { name, datatype, shape, data: numbers } });
  }, [texts]);

  const set = (at: number, text: string) => setTexts(texts.map((old, i) => (i === at ? text : old)));
  return (
    <div class="numbers">
      {texts.map((text, i) => (
        <label key={i}>
          {size > 1 && <span>{i}</span>}
          <input
            type="number"
            step={isFloat(datatype) ? 'any' : 1}
            value={text}
            aria-label={size === 1 ? name : `${name}, number ${i}`}
            aria-invalid={i === wrong}
            onInput={(event) => set(i, event.currentTarget.value)}
          />
        </label>
      ))}
    </div>
  );
}
