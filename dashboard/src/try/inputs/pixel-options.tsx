import { RANGES, type Range } from '../pixels.ts';

export function PixelOptions(props: {
  range: Range;
  onRange: (range: Range) => void;
  inverted: boolean;
  onInverted: (on: boolean) => void;
  invertedLabel: string;
}) {
  const { range, onRange, inverted, onInverted, invertedLabel } = props;
  return (
    <>
      <label class="field">
        Pixels are
        <select value={range} onChange={(event) => onRange(event.currentTarget.value as Range)}>
          {Object.entries(RANGES).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={inverted}
          onChange={(event) => onInverted(event.currentTarget.checked)}
        />
        {invertedLabel}
      </label>
    </>
  );
}
