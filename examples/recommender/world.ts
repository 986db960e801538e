import { Random } from '../../src/base/index.ts';

export const USERS = 2000;
export const ITEMS = 1000;
export const SEGMENTS = ['students', 'families', 'singles', 'commuters', 'retired', 'collectors'] as const;
export const GENRES = [
  'drama',
  'comedy',
  'action',
  'crime',
  'children',
  'news',
  'sports',
  'documentary',
  'music',
  'horror',
  'romance',
  'science fiction',
] as const;
export const DEVICES = ['phone', 'television', 'computer'] as const;
/** Numbers per taste and per item that nobody is told. */
export const LATENT = 6;
/** Days of the log: interactions fall into [0, DAYS). */
export const DAYS = 60;
/** The seed of the people and the items. Data sets of every seed are draws from this one world. */
const WORLD_SEED = 20;

export interface User {
  readonly segment: number;
  /** Years. */
  readonly age: number;
  readonly taste: Float64Array;
  /** How readily they click at all, in logits. */
  readonly bias: number;
  /** Logits lost per unit of `price`; a function of the age. */
  readonly thrift: number;
}

export interface Item {
  readonly genre: number;
  /** Logarithm of the price, mean 0, standard deviation about 1. */
  readonly price: number;
  readonly traits: Float64Array;
  /** How good it is for everybody, in logits. */
  readonly quality: number;
  /** Day of release; before 0 for what was there when the log begins. */
  readonly released: number;
  /** Share of what an average person meets: Zipf's law over the items. */
  readonly popularity: number;
}

/** A person meets an item: everything that the chance of a click depends on. */
export interface Encounter {
  readonly user: number;
  readonly item: number;
  /** Days since the log began, with the fraction. */
  readonly day: number;
  /** 0 to 23. */
  readonly hour: number;
  readonly device: number;
}

/**
 * People and items with a known structure. The chance of a click is the logistic function of
 *
 *   -2.1 + 1.1 taste . traits / sqrt(6) + affinity[segment][genre] + bias of the user + quality of the item
 *        - thrift price + 0.4 cos(2 pi (hour - peak of the genre) / 24) + lift[device][genre] + 0.8 exp(-age of the item / 10 days)
 *
 * Tastes lean towards the mean of their segment and traits towards that of their genre, so that something can be said of
 * people and items that were seldom met.
 */
export class World {
  readonly users: readonly User[];
  readonly items: readonly Item[];
  /** Share of the encounters that a user has, as running sums. */
  readonly activity: Float64Array;
  /** Running sums of the items' popularity. */
  readonly attention: Float64Array;
  readonly #affinity: readonly Float64Array[];
  readonly #lift: readonly Float64Array[];
  readonly #peaks: Float64Array;

  constructor(seed = WORLD_SEED) {
    const random = new Random(seed);
    const normals = (count: number, scale: number) =>
      Float64Array.from({ length: count }, () => scale * random.normal());
    const table = (rows: number, columns: number, scale: number) =>
      Array.from({ length: rows }, () => normals(columns, scale));
    this.#affinity = table(SEGMENTS.length, GENRES.length, 0.6);
    this.#lift = table(DEVICES.length, GENRES.length, 0.3);
    this.#peaks = Float64Array.from(GENRES, () => 24 * random.uniform());
    const segmentTastes = table(SEGMENTS.length, LATENT, 0.7);
    const genreTraits = table(GENRES.length, LATENT, 0.7);
    const near = (centre: Float64Array) => centre.map((value) => value + 0.9 * random.normal());

    const segmentShares = runningSums([0.24, 0.22, 0.18, 0.16, 0.12, 0.08]);
    const meanAges = [22, 41, 31, 37, 69, 48];
    this.users = Array.from({ length: USERS }, () => {
      const segment = drawn(segmentShares, random);
      const age = Math.min(85, Math.max(16, meanAges[segment]! + 7 * random.normal()));
      const thrift = 0.15 + 0.8 / (1 + Math.exp((age - 35) / 6));
      return { segment, age, taste: near(segmentTastes[segment]!), bias: 0.4 * random.normal(), thrift };
    });

    const genreShares = runningSums(GENRES.map((_, genre) => 1 / (genre + 3)));
    const made = Array.from({ length: ITEMS }, () => {
      const genre = drawn(genreShares, random);
      const released = random.uniform() < 0.7 ? -300 * random.uniform() ** 2 : DAYS * random.uniform();
      const price = 0.5 * Math.cos(genre) + 0.9 * random.normal();
      return { genre, price, traits: near(genreTraits[genre]!), quality: 0.5 * random.normal(), released };
    });
    // What is better stands higher, but not in order: half of the rank is luck.
    const luck = made.map(({ quality }) => quality + 0.5 * random.normal());
    const places = luck.map((_, i) => i).sort((a, b) => luck[b]! - luck[a]!);
    const weights = new Float64Array(ITEMS);
    for (const [place, item] of places.entries()) weights[item] = 1 / (place + 10);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.items = made.map((item, i) => ({ ...item, popularity: weights[i]! / total }));

    this.activity = runningSums(Array.from({ length: USERS }, () => Math.exp(0.8 * random.normal())));
    this.attention = runningSums(this.items.map(({ popularity }) => popularity));
  }

  /** What the two have in common, in logits: the part that no table of features holds. */
  match(user: number, item: number): number {
    const { taste } = this.users[user]!;
    const { traits } = this.items[item]!;
    let dot = 0;
    for (let i = 0; i < LATENT; i++) dot += taste[i]! * traits[i]!;
    return (1.1 * dot) / Math.sqrt(LATENT);
  }

  /** Liking of the user's segment for the item's genre, in logits. */
  liking(user: number, item: number): number {
    return this.#affinity[this.users[user]!.segment]![this.items[item]!.genre]!;
  }

  /** The true chance of a click: no model can rank better on average. */
  chance({ user, item, day, hour, device }: Encounter): number {
    const who = this.users[user]!;
    const what = this.items[item]!;
    const logit =
      -2.1 +
      this.match(user, item) +
      this.liking(user, item) +
      who.bias +
      what.quality -
      who.thrift * what.price +
      0.4 * Math.cos((2 * Math.PI * (hour - this.#peaks[what.genre]!)) / 24) +
      this.#lift[device]![what.genre]! +
      0.8 * Math.exp(-Math.max(0, day - what.released) / 10);
    return 1 / (1 + Math.exp(-logit));
  }

  /**
   * Who meets what: active users more often, popular items more often, and of four items at hand rather the one that an
   * earlier recommender, which knows the segments and half of the tastes, put first. So what was never liked is seldom seen.
   */
  encounter(day: number, random: Random): Encounter {
    const user = drawn(this.activity, random);
    const { hour, device } = occasion(this.users[user]!.segment, random);
    let [item, best] = [0, Number.NEGATIVE_INFINITY];
    for (let seen = 0; seen < 4; ) {
      const candidate = drawn(this.attention, random);
      if (this.items[candidate]!.released > day) continue;
      seen++;
      // Gumbel noise makes the largest a draw by the softmax of the scores.
      const noise = -Math.log(-Math.log(random.uniform() + 1e-12));
      const score = this.liking(user, candidate) + 0.5 * this.match(user, candidate) + noise;
      if (score > best) [item, best] = [candidate, score];
    }
    return { user, item, day, hour, device };
  }
}

/** When and on what a segment watches: around an hour of its own, on one device rather than on the others. */
export function occasion(segment: number, random: Random): { hour: number; device: number } {
  const centre = [22, 19, 21, 8, 15, 20][segment]!;
  const hour = (Math.floor(centre + 3 * random.normal()) + 48) % 24;
  const device = random.uniform() < 0.6 ? segment % DEVICES.length : random.below(DEVICES.length);
  return { hour, device };
}

function runningSums(weights: readonly number[]): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  return Float64Array.from(weights, (weight) => {
    sum += weight;
    return sum / total;
  });
}

/** A number drawn by its share, from the running sums of the shares. */
export function drawn(sums: Float64Array, random: Random): number {
  const at = random.uniform();
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
