/** How much one layer alone, quantized, disturbs the outputs. */
export interface Sensitivity {
  readonly node: string;
  readonly op: string;
  /** dB; small is sensitive. */
  readonly sqnr: number;
}
