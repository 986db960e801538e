import { z } from 'zod';
import { fail, messageOf } from '../../base/index.ts';
import { BpeTokenizer, type Merge } from './bpe.ts';

/** SentencePiece writes a space as this. */
const SPACE = '▁';

/** What is read of a tokenizer.json of Hugging Face. */
const file = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number().int(), content: z.string(), special: z.boolean() })),
  normalizer: z.unknown(),
  pre_tokenizer: z.unknown(),
  post_processor: z.unknown(),
  model: z.looseObject({
    type: z.literal('BPE'),
    byte_fallback: z.literal(true),
    vocab: z.record(z.string(), z.number().int().nonnegative()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

/**
 * A tokenizer.json of Hugging Face's tokenizers (BPE with byte fallback, a space put before and spaces written as ▁: the form of
 * Llama): what transformers.js reads as well. Merges stand in the order of their ranks.
 */
export function tokenizerJson(tokenizer: BpeTokenizer): string {
  const { pieces, merges, begin, end, silent } = tokenizer.parts;
  const special = (id: number) => (id === begin ? '<s>' : id === end ? '</s>' : pieces[id]!);
  const named = pieces.map((piece, id) => (silent.has(id) ? special(id) : piece.replaceAll(' ', SPACE)));
  const added = [...silent].sort((a, b) => a - b);
  const template = [{ Sequence: { id: 'A', type_id: 0 } }];
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map((id) => ({
      id,
      content: named[id]!,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: SPACE },
        { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    post_processor:
      begin === undefined
        ? null
        : {
            type: 'TemplateProcessing',
            single: [{ SpecialToken: { id: named[begin]!, type_id: 0 } }, ...template],
            pair: [
              { SpecialToken: { id: named[begin]!, type_id: 0 } },
              ...template,
              { Sequence: { id: 'B', type_id: 1 } },
            ],
            special_tokens: {
              [named[begin]!]: { id: named[begin]!, ids: [begin], tokens: [named[begin]!] },
            },
          },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: silent.has(0) ? named[0]! : null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(named.map((name, id) => [name, id])),
      merges: merges.map(({ left, right }) => [named[left]!, named[right]!]),
    },
  };
  return `${JSON.stringify(json, undefined, 1)}\n`;
}

/** Reads a tokenizer.json of that form. Throws TOKENIZER_UNFIT, naming what is of another kind. */
export function readTokenizerJson(text: string): BpeTokenizer {
  const {
    added_tokens: added,
    normalizer,
    pre_tokenizer: before,
    post_processor: after,
    model,
  } = parse(text);
  const shape = JSON.stringify([normalizer, before]);
  if (!/"Prepend"|"Metaspace"/.test(shape) || /"ByteLevel"/.test(shape)) {
    throw fail('TOKENIZER_UNFIT', 'it does not put a space before the text, as SentencePiece does', {
      shape,
    });
  }
  const pieces: string[] = [];
  for (const [name, id] of Object.entries(model.vocab)) pieces[id] = name.replaceAll(SPACE, ' ');
  for (const { id, content } of added) pieces[id] = content;
  const gap = Array.from(pieces).indexOf(undefined as never);
  if (gap >= 0) throw fail('TOKENIZER_UNFIT', `there is no token ${gap} among ${pieces.length}`);
  const id = (name: string): number => {
    const found = model.vocab[name];
    if (found === undefined) throw fail('TOKENIZER_UNFIT', `a merge needs "${name}", which is no token`);
    return found;
  };
  const merges = model.merges.map((pair, rank): Merge => {
    const [left = '', right = ''] = typeof pair === 'string' ? pair.split(' ') : pair;
    return { left: id(left), right: id(right), to: id(left + right), rank };
  });
  const special = (names: readonly string[]) =>
    added.find(({ content, special: marked }) => marked && names.includes(content))?.id;
  const begin = special(['<s>', '<|begin_of_text|>', '<bos>']);
  return new BpeTokenizer({
    pieces,
    merges,
    begin: begin !== undefined && JSON.stringify(after ?? null).includes('SpecialToken') ? begin : undefined,
    end: special(['</s>', '<|end_of_text|>', '<eos>']),
    silent: new Set(added.filter(({ special: marked }) => marked).map(({ id: own }) => own)),
  });
}

function parse(text: string): z.output<typeof file> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail('TOKENIZER_UNFIT', `it is no JSON: ${messageOf(cause)}`, {}, cause);
  }
  const result = file.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw fail('TOKENIZER_UNFIT', `${path.join('.')}: ${message}`);
}
