import { useEffect, useState } from 'preact/hooks';
import { sizeOf } from '../../server/tensors.ts';
import type { InputProps } from '../input.ts';

/** Texts, one a line; one that may span lines where the model takes a single one. */
export function TextInput({ port, shape, onGiven }: InputProps) {
  const [text, setText] = useState('');
  const size = sizeOf(shape);
  useEffect(() => {
    const data = size === 1 ? [text] : text.split('\n');
    if (data.length !== size) onGiven({ why: `${size} lines are taken, there are ${data.length}` });
    else onGiven({ values: { name: port.name, datatype: port.datatype, shape, data } });
  }, [text, shape.join()]);
  return (
    <textarea
      rows={Math.min(8, Math.max(2, size))}
      value={text}
      aria-label={port.name}
      placeholder={size === 1 ? 'A text' : 'One text a line'}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}
