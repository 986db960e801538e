import { createHash } from 'node:crypto';
import type { Feeds, Fetches, Session } from '../run/index.ts';

/** Bytes of answers that are kept. */
const MOST = 2 ** 28;

/**
 * A session that answers what it was asked before from memory: the model as given is asked the same samples for every
 * variant. Feeds are known by their content; past a quarter of a gibibyte of answers nothing more is kept.
 */
export function remembered(session: Session): Session {
  const answers = new Map<string, Promise<Fetches>>();
  let kept = 0;
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    metadata: session.metadata,
    async run(feeds, options) {
      if (options?.outputs !== undefined) return session.run(feeds, options);
      const key = keyOf(feeds);
      const known = answers.get(key);
      if (known !== undefined) return known;
      const answer = session.run(feeds, { ...options, transfer: false });
      if (kept < MOST) answers.set(key, answer);
      try {
        const fetches = await answer;
        for (const tensor of Object.values(fetches))
          kept += tensor.dtype === 'string' ? 0 : tensor.byteLength;
        return fetches;
      } catch (cause) {
        answers.delete(key);
        throw cause;
      }
    },
    dispose: () => session.dispose(),
  };
}

function keyOf(feeds: Feeds): string {
  const hash = createHash('sha1');
  for (const name of Object.keys(feeds).sort()) {
    const tensor = feeds[name]!;
    hash.update(JSON.stringify([name, tensor.dtype, tensor.dims]));
    if (tensor.dtype === 'string') hash.update(JSON.stringify(tensor.strings()));
    else hash.update(tensor.bytes());
  }
  return hash.digest('base64');
}
