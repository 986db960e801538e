/*
 * What is used of the WebAssembly that every engine has. Node's types leave it out and a browser's would bring the whole page
 * along.
 */

interface EngineModule {
  readonly kind?: never;
}

interface Engine {
  compile(bytes: Uint8Array): Promise<EngineModule>;
  instantiate(module: EngineModule): Promise<{
    readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly run: () => void };
  }>;
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Module: { customSections(module: EngineModule, name: string): ArrayBuffer[] };
}

const engine = (): Engine => (globalThis as { WebAssembly?: Engine }).WebAssembly!;

export interface Instance {
  readonly memory: { readonly buffer: ArrayBuffer };
  run(): void;
}

/** Compiles and instantiates a module that imports nothing. */
export async function instantiate(bytes: Uint8Array): Promise<{ module: EngineModule; instance: Instance }> {
  const module = await engine().compile(bytes);
  const { exports } = await engine().instantiate(module);
  return { module, instance: { memory: exports.memory, run: exports.run } };
}

/** The text of a custom section. */
export function sectionOf(module: EngineModule, name: string): string | undefined {
  const [bytes] = engine().Module.customSections(module, name);
  return bytes && new TextDecoder().decode(bytes);
}

/** True where this engine takes the module: its instructions are known and its types agree. */
export function isValid(bytes: Uint8Array): boolean {
  return engine().validate(bytes);
}
