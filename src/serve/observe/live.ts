/** What a listener's connection can do; a Node response can. */
export interface Listener {
  /** Bytes not yet taken by the client. */
  readonly writableLength: number;
  write(text: string): unknown;
  end(): unknown;
}

/** A dashboard that is a tab in the background may lag; one that reads nothing is cut off. */
const MOST_UNREAD = 4 * 2 ** 20;
const MOST_LISTENERS = 64;

/** Server-sent events to whoever listens. */
export class Live {
  readonly #listeners = new Set<Listener>();

  get size(): number {
    return this.#listeners.size;
  }

  /** False where there are too many. */
  add(listener: Listener): boolean {
    if (this.#listeners.size >= MOST_LISTENERS) return false;
    this.#listeners.add(listener);
    return true;
  }

  delete(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  send(event: string, data: unknown): void {
    if (this.#listeners.size === 0) return;
    const text = eventText(event, data);
    for (const listener of this.#listeners) {
      if (listener.writableLength > MOST_UNREAD) {
        this.#listeners.delete(listener);
        listener.end();
      } else listener.write(text);
    }
  }

  close(): void {
    for (const listener of this.#listeners) listener.end();
    this.#listeners.clear();
  }
}

export const eventText = (event: string, data: unknown) =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
