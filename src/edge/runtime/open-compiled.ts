import { fail, messageOf } from '../../base/index.ts';
import { type DType, Tensor } from '../../graph/index.ts';
import type { Feeds, Fetches, Port, RunOptions, Session } from '../../run/index.ts';
import { type CompiledPort, type ModuleHeader, SECTION } from '../compile/section.ts';
import { type Instance, instantiate, sectionOf } from './engine.ts';

/**
 * A compiled model as a Session: it runs where it is called, in a browser or in Node, and answers at once. Throws EDGE_INVALID for
 * bytes that are no such module, or that this engine does not take (no SIMD).
 */
export async function openCompiled(wasm: Uint8Array): Promise<Session> {
  let header: ModuleHeader;
  let instance: Instance;
  try {
    const made = await instantiate(wasm);
    const text = sectionOf(made.module, SECTION);
    if (text === undefined) throw new Error('it does not say what its inputs are');
    header = JSON.parse(text) as ModuleHeader;
    instance = made.instance;
  } catch (cause) {
    throw fail('EDGE_INVALID', messageOf(cause), {}, cause);
  }
  if (header.version !== 1) throw fail('EDGE_INVALID', `its version is ${header.version}, not 1`);
  return new CompiledSession(header, instance);
}

const portOf = ({ name, dtype, dims }: CompiledPort): Port => ({ name, dtype, shape: dims });

class CompiledSession implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly #header: ModuleHeader;
  #instance: Instance | undefined;

  constructor(header: ModuleHeader, instance: Instance) {
    this.#header = header;
    this.#instance = instance;
    this.inputs = header.inputs.map(portOf);
    this.outputs = header.outputs.map(portOf);
    this.metadata = new Map([['engine', `modicum edge, ${header.target}`]]);
  }

  async run(feeds: Feeds, { outputs, signal }: RunOptions = {}): Promise<Fetches> {
    signal?.throwIfAborted();
    const instance = this.#instance;
    if (instance === undefined) throw fail('SESSION_CLOSED', 'the compiled model was disposed of');
    const memory = new Uint8Array(instance.memory.buffer);
    const { inputs, outputs: all } = this.#header;
    for (const name of Object.keys(feeds)) {
      if (!inputs.some((port) => port.name === name))
        throw fail('FEED_MISMATCH', `there is no input "${name}"`, { input: name });
    }
    for (const port of inputs) checkFeed(port, feeds[port.name]);
    const wanted = outputs === undefined ? all : outputs.map((name) => portNamed(all, name));
    for (const { name, address } of inputs) memory.set(feeds[name]!.bytes(), address);
    try {
      instance.run();
    } catch (cause) {
      throw fail('RUNTIME_FAILED', `an index is out of bounds (${messageOf(cause)})`, {}, cause);
    }
    return Object.fromEntries(
      wanted.map(({ name, dtype, dims, address, bytes }) => [
        name,
        Tensor.ofBytes(dtype as DType, dims, memory.slice(address, address + bytes)),
      ]),
    );
  }

  async dispose(): Promise<void> {
    this.#instance = undefined;
  }
}

function portNamed(ports: readonly CompiledPort[], name: string): CompiledPort {
  const port = ports.find((one) => one.name === name);
  if (port === undefined) {
    throw fail(
      'FEED_MISMATCH',
      `there is no output "${name}"; the outputs are ${ports.map((one) => one.name).join(', ')}`,
    );
  }
  return port;
}

function checkFeed({ name, dtype, dims }: CompiledPort, tensor: Tensor | undefined): void {
  const port = `input ${name}: ${dtype}[${dims.join(', ')}]`;
  if (tensor === undefined) throw fail('FEED_MISMATCH', `${port} is missing`, { input: name });
  const same = tensor.dims.length === dims.length && tensor.dims.every((dim, i) => dim === dims[i]);
  if (tensor.dtype === dtype && same) return;
  throw fail('FEED_MISMATCH', `${port} was given ${tensor.dtype}[${tensor.dims.join(', ')}]`, {
    input: name,
  });
}
