import { fail } from '../../base/index.ts';
import { byteLengthOf, sizeOf, Tensor } from '../../graph/index.ts';
import { checkOutputs, type Feeds, type Port } from '../../run/index.ts';
import type { Answered, Ask, Served, ServedState, Ticket } from '../ports.ts';
import { Feeding } from './feeding.ts';
import type { SequenceStore, Step } from './sequence-store.ts';

/** Which outputs of a model are its state: input to the output that feeds it at the next step. */
export type StateOfModel = Readonly<Record<string, string>>;

/** The metadata of a model in which it may say so itself, as JSON. */
const STATE_METADATA = 'modicum.state';

export interface StatefulServedOptions {
  readonly state: StateOfModel;
  /** What it begins with, by input. Default: zeros. */
  readonly initial?: Feeds;
  /** Shared by the versions of a model. */
  readonly sequences: SequenceStore;
}

/** The state that a model declares in its own metadata; undefined where it does not. Throws SERVER_CONFIG_INVALID. */
export function declaredState(metadata: ReadonlyMap<string, string>): StateOfModel | undefined {
  const text = metadata.get(STATE_METADATA);
  if (text === undefined) return undefined;
  const refuse = (cause?: unknown) =>
    fail(
      'SERVER_CONFIG_INVALID',
      `the metadata ${STATE_METADATA} is no object of input to output`,
      {},
      cause,
    );
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    throw refuse(cause);
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) throw refuse();
  if (!Object.values(found).every((output) => typeof output === 'string')) throw refuse();
  return found as StateOfModel;
}

/**
 * A model that carries a state from step to step, for clients that only name their sequence: what it keeps is no input and no output any
 * more. Steps of a sequence are computed in the order in which they were taken; those of different ones may be computed together.
 */
export class StatefulServed implements Served {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly sampleAxis: Readonly<Record<string, number | undefined>>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #inner: Served;
  readonly #state: StateOfModel;
  readonly #initial: Feeds;
  readonly #sequences: SequenceStore;

  /** Throws SERVER_CONFIG_INVALID where the model has no such inputs and outputs, or zeros have no known shape. */
  constructor(inner: Served, { state, initial = {}, sequences }: StatefulServedOptions) {
    this.name = inner.name;
    this.version = inner.version;
    this.platform = inner.platform;
    this.metadata = inner.metadata;
    const back = new Set(Object.values(state));
    this.inputs = inner.inputs.filter(({ name }) => !(name in state));
    this.outputs = inner.outputs.filter(({ name }) => !back.has(name));
    this.sampleAxis = Object.fromEntries(
      Object.entries(inner.sampleAxis).filter(([name]) => !(name in state)),
    );
    this.#inner = inner;
    this.#state = state;
    this.#initial = initial;
    this.#sequences = sequences;
    for (const [input, output] of Object.entries(state)) this.#check(input, output);
  }

  state(): ServedState {
    return this.#inner.state();
  }

  take(ask: Ask): Ticket {
    if (ask.sequence === undefined) {
      throw fail(
        'REQUEST_INVALID',
        `"${this.name}" keeps a state: give sequence_id, and sequence_start at first`,
      );
    }
    checkOutputs(this.outputs, ask.outputs);
    const arrival = performance.now();
    const step = this.#sequences.enter(ask.sequence, ask.key);
    try {
      return step.first ? this.#now(ask, step) : this.#later(ask, step, arrival);
    } catch (cause) {
      step.failed(cause);
      throw cause;
    }
  }

  /** It is this step's turn: its tensors go straight to where they are computed. */
  #now(ask: Ask, step: Step): Ticket {
    const ticket = this.#takeWith(ask, step.state);
    return {
      bytesOf: (input) => ticket.bytesOf(this.#own(input)),
      write: (input, at, bytes) => ticket.write(this.#own(input), at, bytes),
      give: (input, tensor) => ticket.give(this.#own(input), tensor),
      submit: () => this.#finish(step, ticket.submit()),
      cancel: () => {
        ticket.cancel();
        step.failed(gone());
      },
    };
  }

  /** Another step is before it: its tensors wait here. */
  #later(ask: Ask, step: Step, arrival: number): Ticket {
    const feeding = new Feeding(this.inputs, ask);
    const deadline = ask.deadline ?? arrival + this.#inner.state().goalMs;
    const compute = async () => {
      const feeds = feeding.whole();
      const state = await step.turn();
      ask.signal?.throwIfAborted();
      const ticket = this.#takeWith({ ...ask, deadline }, state);
      try {
        for (const [name, tensor] of Object.entries(feeds)) ticket.give(name, tensor);
      } catch (cause) {
        ticket.cancel();
        throw cause;
      }
      return ticket.submit();
    };
    return {
      bytesOf: (input) => feeding.bytesOf(input),
      write: (input, at, bytes) => feeding.write(input, at, bytes),
      give: (input, tensor) => feeding.give(input, tensor),
      submit: () => this.#finish(step, compute()),
      // Not before its turn: those behind it would overtake those before it.
      cancel: () => void step.turn().then(() => step.failed(gone()), step.failed),
    };
  }

  async #finish(step: Step, answer: Promise<Answered>): Promise<Answered> {
    try {
      const { fetches, meter } = await answer;
      const kept: Record<string, Tensor> = {};
      const rest = { ...fetches };
      for (const [input, output] of Object.entries(this.#state)) {
        kept[input] = copyOf(fetches[output]!);
        delete rest[output];
      }
      step.done(kept);
      return { fetches: rest, meter };
    } catch (cause) {
      step.failed(cause);
      throw cause;
    }
  }

  #takeWith(ask: Ask, state: Feeds | undefined): Ticket {
    const given = state ?? this.#begin(ask);
    const shapes = { ...ask.shapes };
    for (const [name, { dims }] of Object.entries(given)) shapes[name] = dims;
    const outputs = ask.outputs && [...ask.outputs, ...Object.values(this.#state)];
    const ticket = this.#inner.take({ ...ask, sequence: undefined, shapes, outputs });
    try {
      for (const [name, tensor] of Object.entries(given)) ticket.give(name, tensor);
    } catch (cause) {
      ticket.cancel();
      throw cause;
    }
    return ticket;
  }

  /** What a sequence begins with, for as many samples as its first step has. */
  #begin(ask: Ask): Feeds {
    const samples = Object.entries(this.sampleAxis).flatMap(([name, axis]) => {
      const size = axis === undefined ? undefined : ask.shapes[name]?.[axis];
      return size === undefined ? [] : [size];
    })[0];
    const state: Record<string, Tensor> = {};
    for (const input of Object.keys(this.#state)) {
      const given = this.#initial[input];
      const port = this.#port(input);
      const axis = this.#inner.sampleAxis[input];
      const dims = port.shape?.map((dim, i) =>
        typeof dim === 'number' ? dim : i === axis ? (samples ?? 1) : 1,
      );
      const size = sizeOf(dims ?? []);
      state[input] =
        given ?? Tensor.ofBytes(port.dtype, dims!, new Uint8Array(byteLengthOf(port.dtype, size)));
    }
    return state;
  }

  #port(input: string): Port {
    return this.#inner.inputs.find(({ name }) => name === input)!;
  }

  /** Throws FEED_MISMATCH where a client means to give what is kept for it. */
  #own(input: string): string {
    if (!(input in this.#state)) return input;
    throw fail('FEED_MISMATCH', `input ${input} is kept by the server`, { input });
  }

  #check(input: string, output: string): void {
    const from = this.#inner.inputs.find(({ name }) => name === input);
    const to = this.#inner.outputs.find(({ name }) => name === output);
    const refuse = (why: string) =>
      fail('SERVER_CONFIG_INVALID', `the state of "${this.name}", ${input} from ${output}: ${why}`);
    if (from === undefined || to === undefined) throw refuse('the model has no such input or output');
    if (from.dtype !== to.dtype || from.dtype === 'string') throw refuse(`${from.dtype} from ${to.dtype}`);
    if (this.#initial[input] !== undefined) return;
    const axis = this.#inner.sampleAxis[input];
    if (from.shape?.every((dim, i) => typeof dim === 'number' || i === axis)) return;
    throw refuse('its shape is open, so its initial value must be given');
  }
}

const gone = () => fail('CANCELLED', 'it was given up before it was computed');

/** Out of the memory of its batch, which may be large. */
function copyOf(tensor: Tensor): Tensor {
  return Tensor.ofBytes(tensor.dtype, tensor.dims, new Uint8Array(tensor.bytes()));
}
