import { useState } from 'preact/hooks';
import { chooseTheme, type Theme, theme } from './theme.ts';

const NEXT: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' };
const SIGNS: Readonly<Record<Theme, string>> = {
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z',
  light:
    'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3.1 3.1l1.1 1.1M11.8 11.8l1.1 1.1M3.1 12.9l1.1-1.1M11.8 4.2l1.1-1.1',
  dark: 'M13.5 9.6A6 6 0 1 1 6.4 2.5a4.8 4.8 0 0 0 7.1 7.1z',
};

/** Goes round: as the system says, light, dark. */
export function ThemeSwitch() {
  const [chosen, setChosen] = useState(theme);
  const next = () => {
    chooseTheme(NEXT[chosen]);
    setChosen(NEXT[chosen]);
  };
  const label = `Theme: ${chosen === 'auto' ? 'as the system' : chosen}`;
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={next}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d={SIGNS[chosen]} />
        {chosen === 'auto' && <path d="M8 2a6 6 0 0 1 0 12z" class="half" />}
      </svg>
    </button>
  );
}
