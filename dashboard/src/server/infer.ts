import { InferenceClient, type Inferred } from '../../../src/client/browser.ts';
import { SERVER } from './ask.ts';
import { readKey } from './key.ts';
import { tensorOf, type Values } from './tensors.ts';

export interface Answered {
  readonly outputs: Inferred['outputs'];
  readonly version: string | undefined;
  /** ms between asking and the last byte, as the browser sees it. */
  readonly ms: number;
  readonly cost: Inferred['cost'];
}

/** Asks a model once: whoever tries a model wants to see when it is overloaded. Throws what the client throws. */
export async function infer(name: string, inputs: readonly Values[], version?: string): Promise<Answered> {
  const client = new InferenceClient(SERVER.href, { key: readKey(), retries: 0 });
  const tensors = Object.fromEntries(inputs.map((values) => [values.name, tensorOf(values)]));
  const start = performance.now();
  const { outputs, modelVersion, cost } = await client.infer(name, tensors, { version });
  return { outputs, version: modelVersion, ms: performance.now() - start, cost };
}
