import { join } from 'node:path';
import { fail } from '../../base/index.ts';
import { quantity } from '../../report/index.ts';
import {
  type Decoder,
  type DecoderOptions,
  generate,
  openDecoder,
  openEarlyDecoder,
  readEarly,
  readModelFolder,
} from '../../tokens/index.ts';
import type { Command } from '../command.ts';
import { numberOf, wholeOf } from '../options.ts';

export const generateCommand: Command = {
  name: 'generate',
  summary: 'lets a language model continue a text',
  configure(command) {
    command
      .argument(
        '<model>',
        'an .onnx file with a cache (docs/tokens.md), or a folder that modicum exits wrote',
      )
      .option('--prompt <text>', 'the text that it continues (default: none, it begins one)', '')
      .option('--new-tokens <n>', 'the most tokens that it adds (default: as many as fit)')
      .option('--temperature <x>', '0: always the most likely token; 1: as the model says', '0')
      .option('--top-k <n>', 'only among the n most likely')
      .option('--top-p <x>', 'only among the most likely that together reach this probability')
      .option('--seed <n>', 'of the choices', '0')
      .option('--threads <n>', 'threads', '1')
      .option(
        '--tokenizer <file>',
        'tokenizer.json or a .bin of llama2.c (default: tokenizer.json beside the model)',
      )
      .addHelpText(
        'after',
        '\nExamples:\n  modicum generate llm/model.onnx --prompt "Once upon a time" --new-tokens 100\n  modicum generate llm/model.onnx --temperature 0.8 --top-p 0.9 --seed 7',
      );
  },
  async run([model = ''], options, { print, note, signal }) {
    const optional = <T>(value: unknown, read: (value: unknown) => T) =>
      value === undefined ? undefined : read(value);
    const choices = {
      newTokens: optional(options.newTokens, (value) => wholeOf('new-tokens', value, 1, 2 ** 24)),
      temperature: numberOf('temperature', options.temperature, 0, 100),
      topK: optional(options.topK, (value) => wholeOf('top-k', value, 1, 2 ** 24)),
      topP: optional(options.topP, (value) => numberOf('top-p', value, 1e-6, 1)),
      seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
    };
    const threads = wholeOf('threads', options.threads, 1, 1024);
    const pieces = !model.endsWith('.onnx');
    const beside = pieces ? join(model, 'early.json') : model;
    const { tokenizer, context, stop } = await readModelFolder(
      beside,
      options.tokenizer as string | undefined,
    );
    if (tokenizer === undefined) throw fail('TOKENIZER_UNFIT', `there is no tokenizer.json beside ${model}`);
    const prompt = tokenizer.encode(String(options.prompt));
    const open = pieces ? openPieces : openDecoder;
    const decoder = await open(model, { context, settings: { threads } });
    try {
      const tokens: number[] = [];
      const began = performance.now();
      for await (const token of generate(decoder, prompt, { ...choices, stop, signal })) tokens.push(token);
      const seconds = (performance.now() - began) / 1000;
      const text = tokenizer.decode([...prompt, ...tokens]);
      print(text);
      note(`${tokens.length} tokens after ${prompt.length}, in ${quantity(seconds, 's')}`);
      return { json: { model, prompt, tokens, text, seconds } };
    } finally {
      await decoder.dispose();
    }
  },
};

async function openPieces(folder: string, options: DecoderOptions): Promise<Decoder> {
  const { early, rule } = await readEarly(folder);
  return openEarlyDecoder(early, rule, options);
}
