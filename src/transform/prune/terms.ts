/**
 * One axis of a value while groups are traced: a term for each index, or the reason why the axis keeps its size. An index
 * goes when any of the variables in its term is cut.
 */
export type Axis = Int32Array | string;

/** Products of more variables than this are not followed. */
const MOST_FACTORS = 6;

/**
 * Says which indices go together. A term is a variable ("this may be cut"), or a product of variables: index (head,
 * dim) of an axis of heads x dims goes when its head goes or when its dim goes. `equate` makes two terms the same by binding
 * variables (unification); where that cannot be, both are pinned. Every binding only forbids cuts, so whatever is cut later fits everywhere.
 */
export class Terms {
  readonly #parent: number[] = [];
  readonly #product = new Map<number, readonly number[]>();
  readonly #pinned = new Map<number, string>();
  readonly #mixed = new Map<number, string>();

  /** An axis of `size` new variables. */
  fresh(size: number): Int32Array {
    const first = this.#parent.length;
    for (let i = 0; i < size; i++) this.#parent.push(first + i);
    return Int32Array.from({ length: size }, (_, i) => first + i);
  }

  /** A term that goes when any of its factors goes. A single factor is that term itself. */
  product(factors: readonly number[]): number {
    if (factors.length === 1) return factors[0]!;
    const term = this.#parent.length;
    this.#parent.push(term);
    this.#product.set(term, factors);
    return term;
  }

  /** The variables of a term that may be cut, without doubles, in order. */
  variables(term: number): number[] {
    const found: number[] = [];
    this.#collect(term, found);
    return found;
  }

  /** Why a term stays, where all its variables are pinned. */
  reason(term: number): string | undefined {
    const root = this.#root(term);
    const pinned = this.#pinned.get(root);
    if (pinned !== undefined) return pinned;
    for (const factor of this.#product.get(root) ?? []) {
      const why = this.reason(factor);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  /** The first variable of a term, pinned or not: the same for terms that are one. */
  leaf(term: number): number {
    const root = this.#root(term);
    const factors = this.#product.get(root);
    return factors === undefined ? root : this.leaf(factors[0]!);
  }

  /** Makes two terms go together; `why` is the reason of what must be pinned for it. */
  equate(a: number, b: number, why: string): void {
    const [left, right] = [this.#root(a), this.#root(b)];
    if (left === right) return;
    if (!this.#product.has(left) && !this.#product.has(right)) {
      this.#union(left, right);
      return;
    }
    const [all, others] = [this.variables(left), this.variables(right)];
    const mine = all.filter((variable) => !others.includes(variable));
    const theirs = others.filter((variable) => !all.includes(variable));
    if (mine.length === 0 || theirs.length === 0) {
      const reason = this.reason(left) ?? this.reason(right) ?? why;
      for (const variable of [...mine, ...theirs]) this.#pin(variable, reason);
    } else if (mine.length === 1 && theirs.length <= MOST_FACTORS) this.#bind(mine[0]!, theirs);
    else if (theirs.length === 1 && mine.length <= MOST_FACTORS) this.#bind(theirs[0]!, mine);
    else if (mine.length === theirs.length) {
      for (const [i, variable] of mine.entries()) this.equate(variable, theirs[i]!, why);
    } else for (const variable of [...mine, ...theirs]) this.#pin(variable, why);
  }

  /** Forbids that the term goes. */
  pin(term: number, why: string): void {
    for (const variable of this.variables(term)) this.#pin(variable, why);
  }

  /** Notes that what remains changes when the term goes, even where it carried nothing. */
  mix(term: number, why: string): void {
    for (const variable of this.variables(term))
      if (!this.#mixed.has(variable)) this.#mixed.set(variable, why);
  }

  /** The note of `mix`, if any. */
  mixing(variable: number): string | undefined {
    return this.#mixed.get(this.#root(variable));
  }

  #root(term: number): number {
    let root = term;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    // Paths are flattened, so that long chains of layers cost one step.
    for (let at = term; at !== root; ) {
      const next = this.#parent[at]!;
      this.#parent[at] = root;
      at = next;
    }
    return root;
  }

  #collect(term: number, found: number[]): void {
    const root = this.#root(term);
    const factors = this.#product.get(root);
    if (factors !== undefined) for (const factor of factors) this.#collect(factor, found);
    else if (!this.#pinned.has(root) && !found.includes(root)) found.push(root);
  }

  #union(keep: number, gone: number): void {
    this.#parent[gone] = keep;
    const pinned = this.#pinned.get(keep) ?? this.#pinned.get(gone);
    if (pinned !== undefined) this.#pinned.set(keep, pinned);
    const mixed = this.#mixed.get(keep) ?? this.#mixed.get(gone);
    if (mixed !== undefined) this.#mixed.set(keep, mixed);
  }

  #bind(variable: number, factors: readonly number[]): void {
    const mixed = this.#mixed.get(variable);
    if (factors.length === 1) {
      this.#union(factors[0]!, variable);
      return;
    }
    this.#product.set(variable, factors);
    if (mixed !== undefined) for (const factor of factors) this.mix(factor, mixed);
  }

  #pin(variable: number, why: string): void {
    if (!this.#pinned.has(variable)) this.#pinned.set(variable, why);
  }
}
