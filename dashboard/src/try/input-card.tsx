import { useState } from 'preact/hooks';
import type { ModelInfo, Port } from '../server/model.ts';
import { said } from '../server/model.ts';
import type { Given, InputProps } from './input.ts';
import { DrawingInput } from './inputs/drawing.tsx';
import { JsonInput } from './inputs/json.tsx';
import { NumbersInput } from './inputs/numbers.tsx';
import { PictureInput } from './inputs/picture.tsx';
import { SoundInput } from './inputs/sound.tsx';
import { TextInput } from './inputs/text.tsx';
import { KINDS, type Kind, kindsOf } from './kinds.ts';

const FORMS = {
  drawing: DrawingInput,
  picture: PictureInput,
  sound: SoundInput,
  numbers: NumbersInput,
  text: TextInput,
  json: JsonInput,
} as const satisfies Record<Kind, (props: InputProps) => unknown>;

/** What an open dimension is taken to be until the user says otherwise. */
function guess(kind: Kind, axis: number): number {
  if (axis === 0) return 1;
  return kind === 'picture' || kind === 'drawing' ? 224 : 1;
}

/** One input of a model: what it is, the ways to give it, and the chosen form. */
export function InputCard(props: {
  info: ModelInfo;
  port: Port;
  onGiven: (name: string, given: Given) => void;
}) {
  const { info, port, onGiven } = props;
  const { name, datatype, shape } = port;
  const kinds = kindsOf(port, said(info, 'sample_rate', 'sampling_rate') !== undefined);
  const [kind, setKind] = useState<Kind>(kinds[0]!);
  const [chosen, setChosen] = useState<Readonly<Record<number, number>>>({});
  const whole = shape.map((dim, axis) => (dim === -1 ? (chosen[axis] ?? guess(kind, axis)) : dim));
  const open = [...shape.keys()].filter((axis) => {
    return shape[axis] === -1 && axis > 0 && !(kind === 'sound' && axis === shape.length - 1);
  });
  const Form = FORMS[kind];
  return (
    <fieldset class="input">
      <legend>
        <b>{name}</b>{' '}
        <code>{`${datatype} [${shape.map((dim) => (dim === -1 ? '?' : dim)).join(', ')}]`}</code>
      </legend>
      {kinds.length > 1 && (
        <div class="segments" role="radiogroup" aria-label={`How ${name} is given`}>
          {kinds.map((one) => (
            <label key={one}>
              <input
                type="radio"
                name={`kind-${name}`}
                checked={one === kind}
                onChange={() => setKind(one)}
              />
              <span>{KINDS[one]}</span>
            </label>
          ))}
        </div>
      )}
      {open.length > 0 && (
        <div class="row dims">
          {open.map((axis) => (
            <label key={axis} class="field inline">
              dimension {axis}
              <input
                type="number"
                min={1}
                max={4096}
                value={whole[axis]}
                onChange={(event) => {
                  const dim = Math.max(1, Math.min(4096, Math.round(Number(event.currentTarget.value)) || 1));
                  setChosen({ ...chosen, [axis]: dim });
                }}
              />
            </label>
          ))}
        </div>
      )}
      <Form
        key={`${kind} ${open.length > 0 ? whole.join() : ''}`}
        info={info}
        port={port}
        shape={whole}
        onGiven={(given) => onGiven(name, given)}
      />
    </fieldset>
  );
}
