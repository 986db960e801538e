import { type Dataset, subset } from '../../data/index.ts';

/** At most so many samples, spread evenly over the data. */
export function some(data: Dataset, count: number): Dataset {
  if (data.size <= count) return data;
  return subset(
    data,
    Array.from({ length: count }, (_, i) => Math.floor((i * data.size) / count)),
  );
}
