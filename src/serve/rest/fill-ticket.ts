import { fail } from '../../base/index.ts';
import { sizeOf, Tensor } from '../../graph/index.ts';
import { checkBools, decodeByteStrings, type TensorHead } from '../../protocol/index.ts';
import type { Holding } from '../door/held-bytes.ts';
import type { Ticket } from '../ports.ts';

/** One binary input on its way into the batch. */
interface Part {
  readonly name: string;
  readonly length: number;
  /** Takes bytes for their place `at`. */
  write(at: number, bytes: Uint8Array): void;
  /** All have come. */
  end(): void;
}

/**
 * Puts the bytes of binary inputs where they belong while they arrive: fixed-size elements straight into the batch, strings (whose place
 * is known only at their end) into memory that is counted.
 */
export class Filling {
  readonly #parts: readonly Part[];
  #current = 0;
  #at = 0;

  /** Throws FEED_MISMATCH, OVERLOADED. */
  constructor(heads: readonly TensorHead[], ticket: Ticket, holding: Holding) {
    this.#parts = heads.flatMap((head) =>
      head.binary === undefined ? [] : [partOf(head, head.binary.length, ticket, holding)],
    );
    this.#skipFull();
  }

  /** Throws REQUEST_INVALID where more comes than was announced, or what no tensor can hold. */
  write(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.byteLength > 0) {
      const part = this.#parts[this.#current];
      if (part === undefined) throw fail('REQUEST_INVALID', 'its body goes on behind the last binary tensor');
      const now = rest.subarray(0, part.length - this.#at);
      part.write(this.#at, now);
      this.#at += now.byteLength;
      rest = rest.subarray(now.byteLength);
      this.#skipFull();
    }
  }

  /** Throws REQUEST_INVALID where less came than was announced. */
  end(): void {
    const part = this.#parts[this.#current];
    if (part === undefined) return;
    throw fail(
      'REQUEST_INVALID',
      `its body ends at byte ${this.#at} of ${part.length} of input ${part.name}`,
    );
  }

  #skipFull(): void {
    for (;;) {
      const part = this.#parts[this.#current];
      if (part === undefined || this.#at < part.length) return;
      part.end();
      this.#current += 1;
      this.#at = 0;
    }
  }
}

function partOf({ name, dtype, shape }: TensorHead, length: number, ticket: Ticket, holding: Holding): Part {
  if (dtype === 'string') return stringsOf(name, shape, length, ticket, holding);
  const wanted = ticket.bytesOf(name);
  if (wanted !== undefined && wanted !== length) {
    throw fail('FEED_MISMATCH', `input ${name} takes ${wanted} bytes, not ${length}`);
  }
  return {
    name,
    length,
    write(at, bytes) {
      if (dtype === 'bool') checkBools(bytes, `input ${name}, from byte ${at}`, 'REQUEST_INVALID');
      ticket.write(name, at, bytes);
    },
    end() {
      if (length === 0) ticket.write(name, 0, new Uint8Array(0));
    },
  };
}

function stringsOf(
  name: string,
  shape: readonly number[],
  length: number,
  ticket: Ticket,
  holding: Holding,
): Part {
  // Memory is touched, and counted, only as the bytes come.
  const whole = Buffer.allocUnsafeSlow(length);
  return {
    name,
    length,
    write(at, bytes) {
      holding.grow(bytes.byteLength);
      whole.set(bytes, at);
    },
    end() {
      const strings = decodeByteStrings(whole, sizeOf(shape), `input ${name}`, 'REQUEST_INVALID');
      ticket.give(name, Tensor.ofStrings(shape, strings));
    },
  };
}
