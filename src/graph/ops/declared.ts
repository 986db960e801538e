import type { ValueType } from '../model.ts';
import { type Known, NOTHING } from './op.ts';

/** What a declared type says. Negative sizes, which some exporters write, say nothing. */
export function declaredOf(type: ValueType): Known {
  if (type.kind === 'tensor' || type.kind === 'sparse') {
    return {
      dtype: type.dtype,
      shape: type.shape?.map((dim) => (typeof dim === 'number' && dim < 0 ? null : dim)),
    };
  }
  if (type.kind === 'sequence' || type.kind === 'optional') {
    const of = type.element === undefined ? NOTHING : declaredOf(type.element);
    return { shape: undefined, element: { kind: type.kind, of } };
  }
  return NOTHING;
}
