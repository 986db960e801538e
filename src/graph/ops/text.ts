import { intsOf } from '../attributes.ts';
import { broadcastShapes } from './dims.ts';
import { known, type OpSpec, spec } from './op.ts';

/** Strings. */
export const TEXT = {
  StringConcat: spec({
    op: 'StringConcat',
    since: [20],
    inputs: [2, 2],
    says: 'both inputs, broadcast',
    infer: (site) => [known('string', broadcastShapes(site.shape(0), site.shape(1)))],
    traits: { elementwise: true, sameType: true },
  }),
  StringNormalizer: spec({
    op: 'StringNormalizer',
    since: [10],
    inputs: [1, 1],
    says: 'unknown along the last axis',
    infer: (site) => [
      known(
        'string',
        site.shape(0)?.map((dim, i, shape) => (i === shape.length - 1 ? null : dim)),
      ),
    ],
    traits: { sameType: true },
  }),
  StringSplit: spec({
    op: 'StringSplit',
    since: [20],
    inputs: [1, 1],
    outputs: [2, 2],
    says: 'as the input, and an unknown axis; the counts',
    infer: (site) => {
      const shape = site.shape(0);
      return [known('string', shape && [...shape, null]), known('int64', shape)];
    },
    traits: { sameType: true },
  }),
  RegexFullMatch: spec({
    op: 'RegexFullMatch',
    since: [20],
    inputs: [1, 1],
    says: 'as the input',
    infer: (site) => [known('bool', site.shape(0))],
    traits: { elementwise: true, sameShape: true },
  }),
  TfIdfVectorizer: spec({
    op: 'TfIdfVectorizer',
    since: [9],
    inputs: [1, 1],
    says: 'the last axis as long as the vocabulary',
    infer: (site) => {
      const indexes = intsOf(site.node, 'ngram_indexes');
      const size = indexes === undefined ? null : Math.max(-1, ...indexes) + 1;
      return [
        known(
          'float32',
          site.shape(0)?.map((dim, i, shape) => (i === shape.length - 1 ? size : dim)),
        ),
      ];
    },
  }),
} as const satisfies Record<string, OpSpec>;
