/** The API key of this tab. It leaves the page only as a header, and is gone with the tab. */
const PLACE = 'modicum-key';

export function readKey(): string | undefined {
  return sessionStorage.getItem(PLACE) ?? undefined;
}

export function keepKey(key: string): void {
  sessionStorage.setItem(PLACE, key);
}

export function forgetKey(): void {
  sessionStorage.removeItem(PLACE);
}
