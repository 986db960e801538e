import { fail } from '../base/index.ts';
import type { ServerConfig } from './config/settings.ts';
import type { OpenedModel } from './models/entry.ts';
import { CachedServed, ResponseCache } from './models/response-cache.ts';
import { SequenceStore } from './models/sequence-store.ts';
import { declaredState, StatefulServed, type StateOfModel } from './models/stateful.ts';
import type { Served } from './ports.ts';

/** What lies around the models that compute: the state of streams, and answers that are kept. Both are a model's, and outlive its versions. */
export class Layers {
  readonly #config: Pick<ServerConfig, 'cacheBytes' | 'state'>;
  readonly #caches = new Map<string, ResponseCache>();
  readonly #sequences = new Map<string, SequenceStore>();

  constructor(config: Pick<ServerConfig, 'cacheBytes' | 'state'>) {
    this.#config = config;
  }

  /** Throws SERVER_CONFIG_INVALID where the state does not fit the model; it is ended then. */
  async around({ served, dispose }: OpenedModel): Promise<OpenedModel> {
    try {
      return { served: this.#around(served), dispose };
    } catch (cause) {
      await dispose();
      throw cause;
    }
  }

  #around(served: Served): Served {
    const state = this.#config.state?.[served.name] ?? declaredState(served.metadata);
    if (state !== undefined) return this.#stateful(served, state);
    const { cacheBytes } = this.#config;
    if (cacheBytes === 'off') return served;
    return new CachedServed(
      served,
      kept(this.#caches, served.name, () => new ResponseCache(cacheBytes)),
    );
  }

  #stateful(served: Served, state: StateOfModel): Served {
    if (Object.keys(state).length === 0) {
      throw fail('SERVER_CONFIG_INVALID', `the state of "${served.name}" names no input`, {
        setting: 'state',
      });
    }
    const sequences = kept(this.#sequences, served.name, () => new SequenceStore());
    return new StatefulServed(served, { state, sequences });
  }
}

function kept<Value>(map: Map<string, Value>, name: string, make: () => Value): Value {
  const value = map.get(name) ?? make();
  map.set(name, value);
  return value;
}
