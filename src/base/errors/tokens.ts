import type { ErrorRow } from './row.ts';

/** What can be wrong with language models and their tokenizers. */
export const TOKENS_ERRORS = {
  CHECKPOINT_UNFIT: {
    what: 'A llama2.c model cannot be read',
    hint: 'Give a .bin of the first version, as llama2.c export.py writes it with --version 0.',
    exit: 2,
  },
  TOKENIZER_UNFIT: {
    what: 'A tokenizer cannot be used',
    hint: 'Give the tokenizer of this very model: tokenizer.json (BPE with byte fallback), or a .bin of llama2.c.',
    exit: 2,
  },
  NOT_GENERATIVE: {
    what: 'The model does not generate tokens with a cache',
    hint: 'Export it with past_key_values inputs and present outputs (text-generation-with-past); see docs/tokens.md.',
    exit: 2,
  },
  CONTEXT_FULL: {
    what: 'More tokens than the model has room for',
    hint: 'Give a shorter prompt or ask for fewer new tokens.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
