import { SILENT } from '../src/base/index.ts';
import type { Model } from '../src/graph/index.ts';
import {
  compareDecoders,
  cutDecoder,
  type Decoder,
  decoder,
  type LlamaConfig,
  openDecoder,
  openEarlyDecoder,
  readCheckpoint,
} from '../src/tokens/index.ts';
import { type Pass, RECIPE_PASSES } from '../src/transform/index.ts';
import { randomCheckpoint } from '../test/tokens/llama2c-reference.ts';

/** Wide enough that the time goes into its weights; what they are does not matter to it. */
const CONFIG: LlamaConfig = {
  dim: 512,
  hidden: 1376,
  layers: 6,
  heads: 8,
  kvHeads: 4,
  vocab: 2048,
  positions: 256,
};

/**
 * What precision and exits are worth where the weights are what takes the time: a decoder of random weights. Its texts mean nothing, so
 * only times are shown, and for exits the best and the worst that can be: all tokens leave, and none does.
 */
export async function sizeTable(settings: { readonly threads: number }): Promise<void> {
  const model = decoder(readCheckpoint(randomCheckpoint(CONFIG, 1)));
  const parameters = [...model.graph.initializers.values()].reduce((sum, { size }) => sum + size, 0);
  const { dim, layers } = CONFIG;
  console.log(
    `random weights, ${layers} layers of width ${dim}, ${(parameters / 1e6).toFixed(1)} million numbers\n`,
  );
  const quantized = async (
    name: 'quantize-dynamic' | 'quantize-weights',
    options: object,
  ): Promise<Model> => {
    const pass = RECIPE_PASSES[name] as Pass;
    return (await pass.apply(model, { ...pass.defaults, ...options }, { seed: 0, progress: SILENT })).model;
  };
  const early = await cutDecoder(model, { exits: [layers / 2] });
  const leaving = (threshold: number) =>
    openEarlyDecoder(early, { confidence: 'margin', threshold }, { settings });
  const makers: [string, () => Promise<Decoder>][] = [
    ['fp32', () => openDecoder(model, { settings })],
    ['int8 (dynamic)', async () => openDecoder(await quantized('quantize-dynamic', {}), { settings })],
    ['int8 weights', async () => openDecoder(await quantized('quantize-weights', { bits: 8 }), { settings })],
    ['int4 weights', async () => openDecoder(await quantized('quantize-weights', { bits: 4 }), { settings })],
    [`fp32, all tokens leave after ${layers / 2} layers`, () => leaving(0)],
    ['fp32 in two pieces, no token leaves', () => leaving(2)],
  ];
  const decoders: { name: string; decoder: Decoder }[] = [];
  for (const [name, make] of makers) decoders.push({ name, decoder: await make() });
  const tokens = Array.from({ length: 24 }, (_, i) => (i * 37) % CONFIG.vocab);
  const compared = await compareDecoders(decoders, [{ prompt: tokens, tokens }], { seconds: 30 });
  console.log('| variant | ms per token | tokens/s | against fp32 (95 %) |');
  console.log('|---|---|---|---|');
  for (const { name, latency, ratio } of compared) {
    const { low, high } = ratio.interval!;
    console.log(
      `| ${name} | ${latency.value.toFixed(2)} | ${(1000 / latency.value).toFixed(0)} | ${ratio.value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}) |`,
    );
  }
  await Promise.all(decoders.map(({ decoder: open }) => open.dispose()));
  console.log('');
}
