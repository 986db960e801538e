/**
 * Smallest cut of a directed network with capacities (Dinic 1970): which nodes stay on the side of the source. Capacities may be
 * infinite; some cut of finite weight must exist.
 */
export class MinCut {
  readonly #to: number[] = [];
  readonly #left: number[] = [];
  readonly #edges: number[][] = [[], []];
  /** Numbers of the two ends. */
  readonly source = 0;
  readonly sink = 1;

  node(): number {
    return this.#edges.push([]) - 1;
  }

  /** An edge that costs `capacity` where `from` is on the source's side and `to` is not. */
  edge(from: number, to: number, capacity: number): void {
    this.#edges[from]!.push(this.#to.push(to) - 1);
    this.#left.push(capacity);
    this.#edges[to]!.push(this.#to.push(from) - 1);
    this.#left.push(0);
  }

  /** For each node whether it is on the source's side of a smallest cut. */
  solve(): boolean[] {
    for (;;) {
      const level = this.#levels();
      if (level[this.sink] === -1) return level.map((depth) => depth >= 0);
      const next = new Array<number>(this.#edges.length).fill(0);
      while (this.#push(this.source, Number.POSITIVE_INFINITY, level, next) > 0) {}
    }
  }

  #levels(): number[] {
    const level = new Array<number>(this.#edges.length).fill(-1);
    level[this.source] = 0;
    const queue = [this.source];
    for (const at of queue) {
      for (const edge of this.#edges[at]!) {
        const to = this.#to[edge]!;
        if (this.#left[edge]! > EPSILON && level[to] === -1) {
          level[to] = level[at]! + 1;
          queue.push(to);
        }
      }
    }
    return level;
  }

  #push(at: number, most: number, level: readonly number[], next: number[]): number {
    if (at === this.sink) return most;
    const edges = this.#edges[at]!;
    for (; next[at]! < edges.length; next[at]!++) {
      const edge = edges[next[at]!]!;
      const to = this.#to[edge]!;
      if (this.#left[edge]! <= EPSILON || level[to] !== level[at]! + 1) continue;
      const sent = this.#push(to, Math.min(most, this.#left[edge]!), level, next);
      if (sent <= 0) continue;
      this.#left[edge]! -= sent;
      this.#left[edge ^ 1]! += sent;
      return sent;
    }
    return 0;
  }
}

/** Below this a rest of capacity is rounding. */
const EPSILON = 1e-9;
