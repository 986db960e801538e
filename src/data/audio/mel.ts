/** The mel scale of HTK, Kaldi and TensorFlow: 1127 ln(1 + f / 700). */
export function melOf(hertz: number): number {
  return 1127 * Math.log1p(hertz / 700);
}

/** Triangular filters: row m holds the weights of spectrum bins `first[m]` on. */
export interface MelFilters {
  readonly first: Int32Array;
  readonly weights: readonly Float64Array[];
}

/**
 * `mels` filters over `bins` spectrum bins (0 to half the rate): triangles in the mel domain whose edges are evenly
 * spaced from `low` to `high` Hz; the weight at a bin is that of its frequency, and bin 0 has none. This is
 * tf.signal.linear_to_mel_weight_matrix, and Kaldi's MelBanks as well.
 */
export function melFilters(mels: number, bins: number, rate: number, low: number, high: number): MelFilters {
  const bottom = melOf(low);
  const step = (melOf(high) - bottom) / (mels + 1);
  const place = Float64Array.from({ length: bins }, (_, bin) => melOf((bin * rate) / 2 / (bins - 1)));
  const first = new Int32Array(mels);
  const weights: Float64Array[] = [];
  for (let m = 0; m < mels; m++) {
    const left = bottom + m * step;
    const row: number[] = [];
    for (let bin = 1; bin < bins; bin++) {
      const x = (place[bin]! - left) / step;
      if (x <= 0) continue;
      if (x >= 2) break;
      if (row.length === 0) first[m] = bin;
      row.push(Math.min(x, 2 - x));
    }
    weights.push(Float64Array.from(row));
  }
  return { first, weights };
}

/** Rows of the DCT-II that makes cepstra: coefficient k is the sum of `rows[k][m] * logMel[m]`. */
export function dctRows(coefficients: number, mels: number, scale: (k: number) => number): Float64Array[] {
  return Array.from({ length: coefficients }, (_, k) =>
    Float64Array.from({ length: mels }, (_, m) => scale(k) * Math.cos((Math.PI * k * (m + 0.5)) / mels)),
  );
}
