import { fail } from '../../base/index.ts';
import type { MetricMaker } from './options.ts';
import { elementsOf, labelsTensor, scoresOf } from './values.ts';

/**
 * Normalized discounted cumulative gain of the first k places (option k, default 10): the mean over the lists of
 * DCG / best DCG, with gain 2^relevance - 1 and discount log2(1 + place) (Burges et al. 2005). Items of equal score share
 * the discounts of their places (McSherry and Najork 2008), so the order of the samples never helps. Lists come as
 *  - samples that are lists: scores [N, L], labels [N, L] the relevance of each item, or [N] the one that is relevant;
 *  - samples that are items: scores [N] or [N, 1], labels [N, 2] = [relevance, number of the list].
 * An item of negative relevance is not in its list. Lists without a relevant item say nothing and do not count; a list
 * with a NaN among its scores gains nothing.
 */
export const ndcg: MetricMaker = (options = {}) => {
  const { k = 10 } = options;
  let width = 0;
  const lists = new WeakMap<Float64Array, Float64Array>();
  return {
    name: 'ndcg',
    summary: `normalized discounted cumulative gain of the first ${k} places, mean over the lists`,
    needs: { labels: true, reference: false },
    higherIsBetter: true,
    unit: '%',
    /** [gain] of samples that are lists, [score, relevance, list] of those that are items; known after the first batch. */
    get width() {
      return width;
    },
    proportion: false,
    rows(observed, rows) {
      const labels = labelsTensor(observed, 'ndcg');
      const { name, values, samples, positions, classes } = scoresOf(observed, options);
      const relevance = elementsOf(labels, 'labels');
      // One score a sample, of any shape: an item. Several along one axis: a list.
      const items = positions * classes === 1;
      const fits = items
        ? labels.dims.length === 2 && labels.dims[1] === 2
        : positions === 1 && (relevance.length === samples || relevance.length === samples * classes);
      if (!fits) {
        const why = `ndcg cannot rank output ${name} [${observed.outputs[name]!.dims}] by labels [${labels.dims}]`;
        throw fail('METRIC_UNFIT', why, {
          hint: 'Give scores [samples, items] with labels of that shape (relevance) or [samples] (the relevant item), or one score a sample with labels [samples, 2]: relevance and number of the list.',
        });
      }
      if (width !== 0 && width !== (items ? 3 : 1)) {
        throw fail('METRIC_UNFIT', 'ndcg saw lists in one batch and single items in another');
      }
      width = items ? 3 : 1;
      for (let i = 0; i < samples; i++) {
        if (items) rows.push(values[i]!, relevance[2 * i]!, relevance[2 * i + 1]!);
        else if (relevance.length === samples) rows.push(oneRelevant(values, i, classes, relevance[i]!, k));
        else {
          const at = Array.from({ length: classes }, (_, c) => i * classes + c);
          rows.push(
            gain(
              at.map((j) => values[j]!),
              at.map((j) => relevance[j]!),
              k,
            ),
          );
        }
      }
    },
    aggregate(rows, chosen) {
      let gains = lists.get(rows);
      if (gains === undefined) {
        gains = width === 3 ? gainsByList(rows, k) : rows;
        lists.set(rows, gains);
      }
      let sum = 0;
      let counted = 0;
      const n = chosen?.length ?? gains.length;
      for (let i = 0; i < n; i++) {
        const one = gains[chosen ? chosen[i]! : i]!;
        if (Number.isNaN(one)) continue;
        sum += one;
        counted++;
      }
      return (100 * sum) / counted;
    },
  };
};

/**
 * The gain of each list at its first row, NaN at its others. A list thus counts as often as its first row is chosen:
 * resampling rows resamples whole lists, each about Poisson(1) times, as it must be, since items of a list are not independent.
 */
function gainsByList(rows: Float64Array, k: number): Float64Array {
  const members = new Map<number, number[]>();
  for (let i = 0; i < rows.length / 3; i++) {
    const list = rows[3 * i + 2]!;
    const others = members.get(list);
    if (others) others.push(i);
    else members.set(list, [i]);
  }
  const gains = new Float64Array(rows.length / 3).fill(Number.NaN);
  for (const list of members.values()) {
    gains[list[0]!] = gain(
      list.map((i) => rows[3 * i]!),
      list.map((i) => rows[3 * i + 1]!),
      k,
    );
  }
  return gains;
}

function oneRelevant(
  values: ArrayLike<number>,
  sample: number,
  length: number,
  item: number,
  k: number,
): number {
  if (!Number.isInteger(item) || item < 0 || item >= length) {
    throw fail('METRIC_UNFIT', `label ${item} of sample ${sample} is none of the ${length} items`, {
      hint: 'Labels [samples] are the number of the relevant item, from 0.',
    });
  }
  const relevance = new Array<number>(length).fill(0);
  relevance[item] = 1;
  const scores = Array.from({ length }, (_, c) => values[sample * length + c]!);
  return gain(scores, relevance, k);
}

/** DCG of the first k places over the best there is, 0 to 1; NaN where no item is relevant. */
function gain(scores: readonly number[], relevance: readonly number[], k: number): number {
  const listed = scores.map((_, i) => i).filter((i) => relevance[i]! >= 0);
  const worth = (i: number) => 2 ** relevance[i]! - 1;
  const ideal = [...listed].sort((a, b) => relevance[b]! - relevance[a]!);
  let best = 0;
  for (const [place, i] of ideal.slice(0, k).entries()) best += worth(i) / Math.log2(place + 2);
  if (!(best > 0)) return Number.NaN;
  if (listed.some((i) => Number.isNaN(scores[i]!))) return 0;
  // Not by subtraction: two infinite scores are equal.
  const order = [...listed].sort((a, b) => (scores[a]! > scores[b]! ? -1 : scores[a]! < scores[b]! ? 1 : 0));
  let sum = 0;
  for (let from = 0; from < Math.min(k, order.length); ) {
    let to = from;
    let [gained, discounts] = [0, 0];
    for (; to < order.length && scores[order[to]!] === scores[order[from]!]; to++) {
      gained += worth(order[to]!);
      if (to < k) discounts += 1 / Math.log2(to + 2);
    }
    sum += (gained * discounts) / (to - from);
    from = to;
  }
  return sum / best;
}
