import { eitherShape } from './dims.ts';
import { type Known, known } from './op.ts';

/** What holds of a value that is the one or the other. */
export function either(a: Known, b: Known): Known {
  const dtype = a.dtype === b.dtype ? a.dtype : undefined;
  if (a.element !== undefined && b.element?.kind === a.element.kind) {
    return { shape: undefined, element: { kind: a.element.kind, of: either(a.element.of, b.element.of) } };
  }
  const same =
    a.elements?.length === b.elements?.length && a.elements?.every((x, i) => x === b.elements?.[i]);
  const shape = eitherShape(a.shape, b.shape);
  return known(dtype, shape, same ? a.elements : undefined);
}
