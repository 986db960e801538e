import { bytesOf, type Program } from '../plan/program.ts';
import type { View } from '../plan/view.ts';
import type { Arithmetic } from './arithmetic.ts';

/**
 * Weights in the order in which the kernel reads them: panels of `vecs` accumulators, in each the units of the summed axis, in
 * each the accumulators, in each the channels, in each the elements of a unit. What is not there is zero.
 */
export function packPanels(
  program: Program,
  name: string,
  a: Arithmetic,
  shape: { readonly channels: number; readonly sum: number; readonly run: number; readonly vecs: number },
  value: (channel: number, k: number) => number,
): View {
  const { channels, sum, run, vecs } = shape;
  const total = Math.ceil(channels / a.lanes);
  const unitsOfRun = Math.ceil(run / a.unit);
  const runs = sum / run;
  const size = total * a.lanes * runs * unitsOfRun * a.unit;
  const packed = a.wStore === 'f32' ? new Float32Array(size) : new Int8Array(size);
  let at = 0;
  for (let panel = 0; panel < total; panel += vecs) {
    const wide = Math.min(vecs, total - panel);
    for (let r = 0; r < runs; r++) {
      for (let u = 0; u < unitsOfRun; u++) {
        for (let channel = panel * a.lanes; channel < (panel + wide) * a.lanes; channel++) {
          for (let e = 0; e < a.unit; e++) {
            const k = u * a.unit + e;
            if (channel < channels && k < run) packed[at] = value(channel, r * run + k);
            at += 1;
          }
        }
      }
    }
  }
  return program.constant(name, a.wStore, [size], bytesOf(packed));
}

/** One number per channel, filled up with zeros to whole vectors. */
export function perChannel(program: Program, name: string, values: ArrayLike<number>, whole: boolean): View {
  const size = Math.ceil(values.length / 8) * 8;
  if (whole) {
    const ints = new Int32Array(size);
    ints.set(Array.from(values));
    return program.constant(name, 'i32', [size], bytesOf(ints));
  }
  const floats = new Float32Array(size);
  floats.set(Array.from(values));
  return program.floats(name, [size], floats);
}
