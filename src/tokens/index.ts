export { type CacheForm, cacheForm, isGenerative } from './cache-form.ts';
export {
  type CompareDecodersOptions,
  type ComparedDecoder,
  compareDecoders,
  type TimedText,
} from './compare.ts';
export { type Decoder, type DecoderOptions, openDecoder, openEarlyDecoder } from './decoder.ts';
export {
  type CertifiedExits,
  type CertifyEarlyOptions,
  certifyExits,
  type TriedThreshold,
} from './early/certify.ts';
export { type TokenConfidence, tokenConfidence } from './early/confidence.ts';
export {
  type CutDecoderOptions,
  cutDecoder,
  type EarlyDecoder,
  type ExitMap,
  type Fill,
} from './early/cut.ts';
export { type FitMapsOptions, type FittedMap, fitExitMaps } from './early/fit-maps.ts';
export { readEarly, writeEarly } from './early/folder.ts';
export { type Judged, type JudgeOptions, judgeEarly } from './early/judge.ts';
export { type DecoderLayers, decoderLayers } from './early/layers.ts';
export type { EarlyRule } from './early/reader.ts';
export { type TokenExits, type TokenExitsOptions, tokenExits } from './early/token-exits.ts';
export { type TrainMapsOptions, trainExitMaps } from './early/train-maps.ts';
export { type ModelFolder, readModelFolder } from './folder.ts';
export { type GenerateOptions, generate, generateBatch } from './generate.ts';
export { readCheckpoint } from './llama/checkpoint.ts';
export { type Converted, convertLlama2c, writeConverted } from './llama/convert.ts';
export { decoder } from './llama/decoder.ts';
export type { LlamaConfig, LlamaLayer, LlamaWeights } from './llama/weights.ts';
export { type MeasureTokensOptions, measureTokens, type TokenPoint } from './measure.ts';
export { type ModelPorts, portsOfModel } from './model-ports.ts';
export type { TextTime } from './program.ts';
export { greedy, type Sampler, type SamplingOptions, sampler } from './sampling.ts';
export { openScoring } from './scoring.ts';
export { readTexts, type Text, type TextDatasetOptions, textDataset } from './texts.ts';
export { BpeTokenizer } from './tokenizer/bpe.ts';
export { readTokenizerJson, tokenizerJson } from './tokenizer/json.ts';
export { readLlama2cTokenizer } from './tokenizer/llama2c.ts';
export type { EncodeOptions, Tokenizer, TokenStream } from './tokenizer/tokenizer.ts';
export type { Chunk, WriteOptions } from './writer.ts';
