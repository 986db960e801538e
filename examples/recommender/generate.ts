import { Random } from '../../src/base/index.ts';
import { type Dataset, inMemory } from '../../src/data/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { DAYS, drawn, type Encounter, ITEMS, occasion, USERS, World } from './world.ts';

/** Training data end here, validation there: nobody is trained on a day that a later part is about. */
export const TRAIN_UNTIL = 48;
export const VALIDATION_UNTIL = 54;
/** Interactions of the validation and of the test part. */
export const HELD_OUT = 20_000;
/** Lists of the ranking set, one a person, and items in each. */
export const LISTS = 400;
export const CANDIDATES = 40;

const world = new World();

/** `samples` interactions of the first 48 days, in the order of time. */
export function trainingInteractions(seed: number, samples: number): Dataset {
  return interactions(`recommender (training, seed ${seed})`, seed * 4, samples, 0, TRAIN_UNTIL);
}

/** Interactions of days 48 to 54. */
export function validationInteractions(): Dataset {
  return interactions('recommender (validation)', 1, HELD_OUT, TRAIN_UNTIL, VALIDATION_UNTIL);
}

/** Interactions of days 54 to 60. */
export function testInteractions(): Dataset {
  return interactions('recommender (test)', 2, HELD_OUT, VALIDATION_UNTIL, DAYS);
}

/**
 * Lists to rank, in the test days: a person at one hour on one device and 40 different items, half of them drawn by
 * popularity, half evenly. Labels int32 [N, 2]: clicked or not, number of the list; the items of a list follow each other.
 */
export function rankings(): Dataset {
  const random = new Random(3);
  const people = random.shuffle(Uint32Array.from({ length: USERS }, (_, i) => i)).subarray(0, LISTS);
  const table = new Table(LISTS * CANDIDATES);
  const lists: number[] = [];
  for (const [list, user] of people.entries()) {
    const day = VALIDATION_UNTIL + (DAYS - VALIDATION_UNTIL) * random.uniform();
    const { hour, device } = occasion(world.users[user]!.segment, random);
    const items = new Set<number>();
    while (items.size < CANDIDATES) {
      const item = items.size % 2 === 0 ? drawn(world.attention, random) : random.below(ITEMS);
      if (world.items[item]!.released <= day) items.add(item);
    }
    // The order must tell nothing.
    for (const item of random.shuffle([...items])) {
      table.add({ user, item, day, hour, device }, random);
      lists.push(list);
    }
  }
  const labels = Tensor.of(
    'int32',
    [lists.length, 2],
    Int32Array.from({ length: 2 * lists.length }, (_, i) =>
      i % 2 ? lists[i >> 1]! : table.clicked[i >> 1]!,
    ),
  );
  return inMemory(table.fields(), labels, { name: 'recommender (rankings)' });
}

function interactions(name: string, seed: number, samples: number, from: number, to: number): Dataset {
  const random = new Random(seed);
  const table = new Table(samples);
  for (let i = 0; i < samples; i++) {
    // Rising, and even over the days.
    const day = from + ((to - from) * (i + random.uniform())) / samples;
    table.add(world.encounter(day, random), random);
  }
  const labels = Tensor.of('int32', [samples], table.clicked);
  return inMemory(table.fields(), labels, { name, classes: ['passed', 'clicked'] });
}

/** Encounters as columns. */
class Table {
  readonly clicked: Int32Array;
  readonly #numbers: Record<'user' | 'item' | 'segment' | 'genre' | 'device' | 'hour', BigInt64Array>;
  readonly #dense: Float32Array;
  readonly #chance: Float32Array;
  #size = 0;

  constructor(capacity: number) {
    const column = () => new BigInt64Array(capacity);
    this.clicked = new Int32Array(capacity);
    this.#numbers = {
      user: column(),
      item: column(),
      segment: column(),
      genre: column(),
      device: column(),
      hour: column(),
    };
    this.#dense = new Float32Array(capacity * 4);
    this.#chance = new Float32Array(capacity);
  }

  /** Adds a row and throws the dice for the click. */
  add(encounter: Encounter, random: Random): void {
    const { user, item, day, hour, device } = encounter;
    const at = this.#size++;
    const who = world.users[user]!;
    const what = world.items[item]!;
    const values = { user, item, segment: who.segment, genre: what.genre, device, hour };
    for (const [name, value] of Object.entries(values)) {
      this.#numbers[name as keyof typeof values][at] = BigInt(value);
    }
    // About -2 to 2 each, and to a 64th, which float16 holds.
    const dense = [
      (who.age - 38) / 16,
      what.price,
      Math.log1p(day - what.released) - 3.5,
      Math.log(what.popularity * ITEMS),
    ];
    for (const [i, value] of dense.entries()) this.#dense[4 * at + i] = Math.round(64 * value) / 64;
    const chance = world.chance(encounter);
    this.#chance[at] = chance;
    this.clicked[at] = random.uniform() < chance ? 1 : 0;
  }

  fields(): Record<string, Tensor> {
    const n = this.#size;
    const columns = Object.entries(this.#numbers).map(([name, data]) => [
      name,
      Tensor.of('int64', [n], data),
    ]);
    return {
      ...Object.fromEntries(columns),
      dense: Tensor.float32([n, 4], this.#dense),
      chance: Tensor.float32([n], this.#chance),
    };
  }
}
