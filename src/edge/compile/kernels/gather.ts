import { apply, i32, load } from '../loop/ir.ts';
import type { Program } from '../plan/program.ts';
import { elementBytes, type View } from '../plan/view.ts';
import { type Axis, joined, walkAll } from './axes.ts';
import { moveBytes } from './elementwise.ts';

/**
 * out[lead, i, tail] = x[lead, indices[i], tail]. An index that is not there traps: nothing else is read in its place. The
 * views are [lead..., n, tail...], [lead..., count, tail...] and [count]; the tails are of one shape.
 */
export function gather(
  program: Program,
  label: string,
  x: View,
  indices: View,
  out: View,
  axis: number,
): void {
  const size = elementBytes(x);
  const tail = joined(
    x.dims.slice(axis + 1).map(
      (dim, i): Axis => ({
        size: dim,
        steps: [out.strides[axis + 1 + i]! * size, x.strides[axis + 1 + i]! * size],
      }),
    ),
  );
  const lead = joined(
    x.dims
      .slice(0, axis)
      .map((dim, i): Axis => ({ size: dim, steps: [out.strides[i]! * size, x.strides[i]! * size, 0] })),
  );
  const count = x.dims[axis]!;
  const run = tail.at(-1);
  const side = program.lanes.vector && run?.steps.every((step) => step === size);
  program.kernel(label, 'gather', [out, x, indices], (b, pointers) =>
    walkAll(b, lead, pointers, ([to, from, at]) => {
      b.walk(
        indices.dims[0]!,
        [
          [to!, out.strides[axis]! * size],
          [at!, elementBytes(indices) * indices.strides[0]!],
        ],
        ([place, index]) => {
          // The low half of a 64-bit index is all that can be within bounds.
          const value = b.local('i', load('i32.load', index!));
          b.if(apply('i32.lt_s', [value, i32(0)]), () => b.set(value, apply('i32.add', [value, i32(count)])));
          b.if(apply('i32.ge_u', [value, i32(count)]), () => b.emit({ kind: 'trap' }));
          const source = b.local(
            'from',
            apply('i32.add', [from!, apply('i32.mul', [value, i32(x.strides[axis]! * size)])]),
          );
          walkAll(b, side ? tail.slice(0, -1) : tail, [place!, source], ([t, f]) => {
            if (side) moveBytes(b, t!, f!, run!.size * size);
            else if (size === 8) b.store('i64.store', t!, 0, load('i64.load', f!));
            else if (size === 4) b.store('i32.store', t!, 0, load('i32.load', f!));
            else if (size === 2) b.store('i32.store16', t!, 0, load('i32.load16_s', f!));
            else b.store('i32.store8', t!, 0, load('i32.load8_u', f!));
          });
        },
      );
    }),
  );
}
