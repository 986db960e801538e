import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** ms that a link holds. */
const LASTS = 10 * 60_000;

/**
 * Passes into what a frame shows: a frame cannot send a key, so who has one gets a link that holds for ten minutes, for one thing only.
 */
export class Passes {
  readonly #secret = randomBytes(32);

  issue(name: string, now: number): string {
    const until = String(now + LASTS);
    return `${until}.${this.#sign(name, until).toString('base64url')}`;
  }

  holds(pass: unknown, name: string, now: number): boolean {
    if (typeof pass !== 'string' || pass.length > 100) return false;
    const [until = '', signature = ''] = pass.split('.');
    const given = Buffer.from(signature, 'base64url');
    const real = this.#sign(name, until);
    return given.length === real.length && timingSafeEqual(given, real) && Number(until) > now;
  }

  #sign(name: string, until: string): Buffer {
    return createHmac('sha256', this.#secret).update(`${until}\n${name}`).digest();
  }
}
