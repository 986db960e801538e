import { useEffect, useState } from 'preact/hooks';

const PLACE = 'modicum-theme';
const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

export function theme(): Theme {
  const kept = localStorage.getItem(PLACE);
  return THEMES.find((known) => known === kept) ?? 'auto';
}

/** What is really shown. */
function shown(): 'light' | 'dark' {
  const chosen = theme();
  if (chosen !== 'auto') return chosen;
  return dark.matches ? 'dark' : 'light';
}

/** The style sheet knows two themes; "auto" is one of them, by the system. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = shown();
  for (const listener of listeners) listener();
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(PLACE, chosen);
  applyTheme();
}

dark.addEventListener('change', applyTheme);

/** Draws the component again when the theme changes. */
export function useThemeName(): 'light' | 'dark' {
  const [name, setName] = useState(shown);
  useEffect(() => {
    const listener = () => setName(shown());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return name;
}
