/** How a layer computes: float32, float16, 8-bit weights and activations, or 4-bit weights in blocks. The widest first. */
export const PRECISIONS = ['fp32', 'fp16', 'int8', 'int4'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** Node name to precision. */
export type Assignment = Readonly<Record<string, Precision>>;
