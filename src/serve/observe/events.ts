import type { SeriesEvent } from './series.ts';

const KEPT = 100;

/** The last events for operators, with facts that are safe to show. */
export class Events {
  readonly #list: SeriesEvent[] = [];

  /** `at`: seconds since 1970. */
  add(at: number, kind: string, facts: Readonly<Record<string, unknown>>): SeriesEvent {
    const event = { at, kind, facts: plain(facts) };
    this.#list.push(event);
    if (this.#list.length > KEPT) this.#list.shift();
    return event;
  }

  all(): readonly SeriesEvent[] {
    return [...this.#list];
  }

  /** From second `from` on, before second `to`. */
  between(from: number, to: number): readonly SeriesEvent[] {
    return this.#list.filter(({ at }) => at >= from && at < to);
  }
}

const LONGEST = 500;

/** Errors as their message, numbers and booleans as they are, everything else as short text: never a stack, never a tensor. */
function plain(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(facts)) if (value !== undefined) safe[key] = plainValue(value);
  return safe;
}

function plainValue(value: unknown): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Error) return cut(value.message);
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  return cut(typeof value === 'string' ? value : textOf(value));
}

const cut = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text);

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
