import { openBundle } from '../bundle/index.ts';
import { openRemote } from '../cluster/index.ts';
import { openSession, type Session } from '../run/index.ts';
import type { Opened, TargetSpec } from './messages.ts';

export interface OpenedTarget {
  readonly session: Session;
  readonly about: Omit<Opened, 'kind' | 'inputs'>;
}

/** Opens what is put under load. Throws what openSession, openBundle and openRemote throw. */
export async function openTarget(target: TargetSpec): Promise<OpenedTarget> {
  switch (target.kind) {
    case 'url': {
      // A query that is tried again in secret would be told as one that only took longer.
      const session = await openRemote(target.url, { retries: 0, key: target.key });
      const runtime = session.metadata.get('runtime') ?? 'a server';
      return { session, about: { runtime, batch: undefined, concurrency: undefined } };
    }
    case 'model': {
      const session = await openSession(target.path, target.settings);
      const { provider, instances, threads } = session.settings;
      const runtime = inWords(provider, instances, threads);
      return { session, about: { runtime, batch: undefined, concurrency: instances } };
    }
    case 'bundle': {
      const { path, settings: which, override } = target;
      const { session, settings, bundle, as } = await openBundle(path, { settings: which, override });
      const { instances, threads, batch } = settings;
      const form = as === 'stages' ? ', in stages' : '';
      const runtime = `${bundle.chosen}: ${inWords(settings.provider, instances, threads)}${form}`;
      return { session, about: { runtime, batch, concurrency: instances } };
    }
  }
}

function inWords(provider: string, instances: number, threads: number): string {
  return `onnxruntime ${provider}, ${instances} x ${threads} thread${threads === 1 ? '' : 's'}`;
}
