import { useState } from 'preact/hooks';

/** A choice that is kept for the next visit: how the pixels of a model are scaled, say. Nothing secret belongs here. */
export function useRemembered<T extends string>(
  name: string,
  known: readonly T[],
  first: T,
): [T, (value: T) => void] {
  const place = `modicum-try:${name}`;
  const [value, setValue] = useState(() => known.find((one) => one === localStorage.getItem(place)) ?? first);
  const choose = (next: T) => {
    localStorage.setItem(place, next);
    setValue(next);
  };
  return [value, choose];
}
