import { fail } from '../base/index.ts';
import type { Model } from '../graph/index.ts';
import { type Hosted, openHosted, type SessionSettings } from '../run/index.ts';
import { cacheForm } from './cache-form.ts';
import { TOKEN_CONFIDENCES } from './early/confidence.ts';
import { type EarlyDecoder, stageForm } from './early/cut.ts';
import type { EarlyRule } from './early/reader.ts';
import { portsOfModel } from './model-ports.ts';
import type { DecoderAnswers, DecoderCall, DecoderProgram, TextTime } from './program.ts';
import type { Chunk, WriteOptions } from './writer.ts';

/**
 * A language model with a cache, in a thread of its own. It holds one batch of texts at a time: whatever begins one (`start`, `write`,
 * `time`) forgets the one before. Errors: USAGE_BAD_OPTION, CONTEXT_FULL, RUNTIME_FAILED, WORKER_CRASHED, SESSION_CLOSED.
 */
export interface Decoder {
  /** The most tokens of a sequence, prompt and answer together. */
  readonly context: number;
  /** Reads prompts (prefill) and gives the logits [vocabulary] after each; for those who choose tokens themselves. */
  start(prompts: readonly (readonly number[])[]): Promise<Float32Array[]>;
  /** Reads one more token of each sequence, and gives the logits after it. */
  next(tokens: readonly number[]): Promise<Float32Array[]>;
  /** Continues prompts where the model runs; tokens come in chunks of at least one, of some milliseconds. See also `generate`. */
  write(prompts: readonly (readonly number[])[], options?: WriteOptions): AsyncGenerator<Chunk, void>;
  /** Times reading a prompt, and then one token after the other, beside the computation. */
  time(prompt: readonly number[], tokens: readonly number[]): Promise<TextTime>;
  /** Safe to call twice. */
  dispose(): Promise<void>;
}

export interface DecoderOptions {
  /** The most tokens of a sequence: memory for them is taken at once. Default: what the model says, else 2048. */
  readonly context?: number;
  readonly settings?: Partial<Omit<SessionSettings, 'instances'>>;
}

const USUAL_CONTEXT = 2048;
/** Milliseconds after which what was written is handed on: as good as at once for a reader, rare enough to cost nothing. */
const CHUNK = 15;

/** Opens a decoder with a cache (see cacheForm). Throws as `openSession` does, and NOT_GENERATIVE, USAGE_BAD_OPTION. */
export async function openDecoder(model: Model | string, options: DecoderOptions = {}): Promise<Decoder> {
  const { inputs, outputs, metadata } = await portsOfModel(model);
  const form = cacheForm(inputs, outputs);
  const capacity = contextOf(metadata, options.context);
  const argument: DecoderProgram = {
    forms: [form],
    early: undefined,
    capacity,
    settings: options.settings,
  };
  return hostedDecoder(await openHosted(PROGRAM, [model], argument), capacity);
}

/** Opens a decoder in pieces, whose tokens leave by a rule; one text at a time. Throws as `openDecoder` does. */
export async function openEarlyDecoder(
  early: EarlyDecoder,
  rule: EarlyRule,
  options: DecoderOptions = {},
): Promise<Decoder> {
  if (!(rule.threshold >= 0) || !TOKEN_CONFIDENCES.includes(rule.confidence)) {
    throw fail('USAGE_BAD_OPTION', `no rule: ${rule.confidence} at least ${rule.threshold}`);
  }
  const { stages, fill, dim } = early;
  const capacity = contextOf(stages[0]!.metadata, options.context);
  const forms = await Promise.all(stages.map(stageForm));
  const argument: DecoderProgram = {
    forms,
    early: { rule, fill, dim },
    capacity,
    settings: options.settings,
  };
  return hostedDecoder(await openHosted(PROGRAM, stages, argument), capacity);
}

const PROGRAM = new URL('./program.js', import.meta.url);

/** The context that is asked for, else what the model says, else the usual one. Throws USAGE_BAD_OPTION. */
export function contextOf(metadata: ReadonlyMap<string, string>, asked: number | undefined): number {
  const said = Number(metadata.get('context_length'));
  const context = asked ?? (said > 0 ? said : USUAL_CONTEXT);
  if (Number.isInteger(context) && context >= 1) return context;
  throw fail('USAGE_BAD_OPTION', `the context is ${context} tokens; it is a whole number from 1`);
}

/** The decoder that a hosted program answers for. */
function hostedDecoder(hosted: Hosted, context: number): Decoder {
  const call = <K extends DecoderCall['kind']>(request: Extract<DecoderCall, { kind: K }>) =>
    hosted.call(request) as Promise<DecoderAnswers[K]>;
  return {
    context,
    start: (prompts) => call<'start'>({ kind: 'start', prompts }),
    next: (tokens) => call<'next'>({ kind: 'next', tokens }),
    time: (prompt, tokens) => call<'time'>({ kind: 'time', prompt, tokens }),
    async *write(prompts, options = {}) {
      const turn = await call<'write'>({ kind: 'write', prompts, options });
      // The first token at once, then as time goes by.
      for (let milliseconds = 0; ; milliseconds = CHUNK) {
        const chunk = await call<'more'>({ kind: 'more', turn, milliseconds });
        yield chunk;
        if (chunk.done) return;
      }
    },
    dispose: () => hosted.dispose(),
  };
}
