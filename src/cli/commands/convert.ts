import { fail } from '../../base/index.ts';
import { convertLlama2c, writeConverted } from '../../tokens/index.ts';
import type { Command } from '../command.ts';

export const convertCommand: Command = {
  name: 'convert',
  summary: 'a llama2.c model and its tokenizer as ONNX, in the form of the common exporters',
  configure(command) {
    command
      .argument('<model>', 'a .bin of llama2.c (version 0)')
      .requiredOption('--tokenizer <file>', 'the tokenizer .bin of llama2.c that belongs to it')
      .requiredOption(
        '-o, --out <folder>',
        'where model.onnx, tokenizer.json, config.json and generation_config.json go',
      )
      .addHelpText(
        'after',
        '\nExample:\n  modicum convert stories260K.bin --tokenizer tok512.bin -o stories260k',
      );
  },
  async run([path = ''], options, { print }) {
    const folder = String(options.out);
    if (!path.endsWith('.bin')) throw fail('USAGE_BAD_OPTION', `${path} is no .bin of llama2.c`);
    const converted = await convertLlama2c(path, String(options.tokenizer));
    const files = await writeConverted(converted, folder);
    const { config } = converted.weights;
    print(
      `${config.layers} layers, width ${config.dim}, ${config.vocab} tokens, at most ${config.positions} of them in a text`,
    );
    print(`wrote ${files.join(', ')} to ${folder}`);
    return { json: { model: path, folder, files, config } };
  },
};
