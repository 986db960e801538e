/** One row of the error catalogue. */
export interface ErrorRow {
  /** What happened, without the particulars: the first half of the message. */
  readonly what: string;
  /** What the user can do. */
  readonly hint: string;
  /** The exit code of a command that ends so: 1 goal not met, 2 usage, input or environment. */
  readonly exit: 1 | 2;
}
