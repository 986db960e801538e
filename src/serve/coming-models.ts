import { fail } from '../base/index.ts';
import type { Models } from './ports.ts';

/** The models of a server that answers probes already while they are still loading. */
export class ComingModels implements Models {
  #there: Models | undefined;

  /** From now on they are what these are. */
  arrive(models: Models): void {
    this.#there = models;
  }

  names(): readonly string[] {
    return this.#there?.names() ?? [];
  }

  versions(name: string): readonly string[] {
    return this.#sure(name).versions(name);
  }

  lease(name: string, version?: string): ReturnType<Models['lease']> {
    return this.#sure(name).lease(name, version);
  }

  ready(): boolean {
    return this.#there?.ready() ?? false;
  }

  index(): ReturnType<Models['index']> {
    return this.#there?.index() ?? [];
  }

  #sure(name: string): Models {
    if (this.#there !== undefined) return this.#there;
    throw fail('MODEL_NOT_READY', `"${name}": the models are being loaded`, { model: name });
  }
}
