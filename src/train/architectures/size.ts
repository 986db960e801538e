/**
 * Channels at a width: a multiple of 8, which vector units take whole, or of 4 below 32, and 4 at least. Never fewer at
 * a greater width.
 */
export function scaledChannels(channels: number, width: number): number {
  const wanted = channels * width;
  const unit = wanted < 32 ? 4 : 8;
  return Math.max(4, unit * Math.round(wanted / unit));
}

/** How often a block stands at a depth: once at least. */
export function scaledCount(count: number, depth: number): number {
  return Math.max(1, Math.round(count * depth));
}
