/** Turns text into the numbers of tokens, and back. */
export interface Tokenizer {
  /** Tokens that it knows. */
  readonly size: number;
  /** The token before every text, where the model has one. */
  readonly begin: number | undefined;
  /** The token after a text, where the model has one. */
  readonly end: number | undefined;
  /** Tokens of a text, `begin` first unless told otherwise. Any text can be encoded. Throws TOKENIZER_UNFIT where a byte has no token. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of tokens; `begin` and `end` are silent, bytes that are no UTF-8 become U+FFFD. */
  decode(tokens: readonly number[]): string;
  /**
   * Decodes token by token: what a token adds, '' while bytes of a character are missing. `after`: the tokens before, the prompt say;
   * without them the space that encode puts before a text is taken away.
   */
  stream(after?: readonly number[]): TokenStream;
}

export interface EncodeOptions {
  /** Puts the token of the beginning first. Default true. */
  readonly begin?: boolean;
}

export interface TokenStream {
  /** The text that this token completes. */
  next(token: number): string;
  /** What is left when no more comes: U+FFFD where a character was cut. */
  end(): string;
}
