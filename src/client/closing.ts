/** The end of a client: told to all calls under way, however many. An AbortSignal would warn of a leak from the eleventh on. */
export class Closing {
  readonly #calls = new Set<(reason: unknown) => void>();
  #reason: unknown;

  /** Ends all calls, also those that are yet to come. */
  end(reason: unknown): void {
    this.#reason ??= reason;
    for (const call of this.#calls) call(this.#reason);
    this.#calls.clear();
  }

  /** Hears of the end, at once where it has been; what is returned forgets it. */
  watch(call: (reason: unknown) => void): () => void {
    if (this.#reason === undefined) this.#calls.add(call);
    else call(this.#reason);
    return () => void this.#calls.delete(call);
  }
}
