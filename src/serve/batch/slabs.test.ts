import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { BufferPool } from './buffers.ts';
import { Filled } from './filled.ts';
import { type Place, Slabs } from './slabs.ts';

const INPUTS = [
  { name: 'a', rowBytes: 12 },
  { name: 'b', rowBytes: 4 },
];

interface Client {
  readonly place: Place;
  readonly mark: number;
  sent: number;
}

const byteOf = (mark: number, at: number) => (mark * 31 + at * 7) % 251;

/** Writes some more bytes of each input. */
function send(slabs: Slabs, client: Client, random: Random, all: boolean): void {
  const total = 12 * client.place.samples;
  const to = all ? total : Math.min(total, client.sent + 1 + random.below(12));
  const piece = Uint8Array.from({ length: to - client.sent }, (_, i) => byteOf(client.mark, client.sent + i));
  slabs.write(client.place, 'a', client.sent, piece);
  client.sent = to;
  if (to < total) return;
  slabs.write(client.place, 'b', 0, new Uint8Array(4 * client.place.samples).fill(client.mark % 256));
}

test('whatever holes slow and leaving clients make, rows of a batch are those of its requests, and no memory is lost', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(seed);
    const pool = new BufferPool(2 ** 20);
    const slabs = new Slabs(pool, INPUTS, 8);
    let clients: Client[] = [];
    const computing: (() => void)[] = [];
    for (let step = 0; step < 120; step++) {
      const what = random.below(6);
      if (what <= 1) {
        const place = slabs.take(1 + random.below(random.below(3) === 0 ? 5 : 1));
        assert.ok(place);
        clients.push({ place, mark: seed * 1000 + step, sent: 0 });
      } else if (what === 2) {
        for (const client of clients) if (random.uniform() < 0.5) send(slabs, client, random, false);
      } else if (what === 3 && clients.length > 0) {
        const gone = clients.splice(random.below(clients.length), 1)[0]!;
        slabs.release(gone.place);
      } else if (what === 4) {
        random.shuffle(clients);
        const chosen: Client[] = [];
        let samples = 0;
        for (const client of clients) {
          if (samples + client.place.samples > 8 || random.uniform() < 0.3) continue;
          send(slabs, client, random, true);
          chosen.push(client);
          samples += client.place.samples;
        }
        if (chosen.length === 0) continue;
        clients = clients.filter((client) => !chosen.includes(client));
        const closed = slabs.close(chosen.map(({ place }) => place));
        assert.equal(closed.samples, samples);
        const [a, b] = [closed.rows('a'), closed.rows('b')];
        assert.deepEqual([a.length, b.length], [12 * samples, 4 * samples]);
        const check = () => {
          for (const { place, mark } of chosen) {
            for (let i = 0; i < 12 * place.samples; i++) assert.equal(a[12 * place.row + i], byteOf(mark, i));
            for (let i = 0; i < 4 * place.samples; i++) assert.equal(b[4 * place.row + i], mark % 256);
          }
        };
        check();
        // While it is computed others write on: it must not change.
        computing.push(() => {
          check();
          closed.release();
        });
      } else if (computing.length > 0) computing.splice(random.below(computing.length), 1)[0]!();
    }
    for (const end of computing) end();
    for (const { place } of clients) slabs.release(place);
    assert.equal(slabs.count, 0);
    assert.equal(pool.lent, 0);
    assert.ok(pool.held <= 2 ** 20);
  }
});

test('no batch costs fresh memory, and beyond the limit there is none', () => {
  const pool = new BufferPool(20_000);
  const slabs = new Slabs(pool, [{ name: 'a', rowBytes: 1000 }], 8);
  for (let i = 0; i < 50; i++) {
    const place = slabs.take(8)!;
    slabs.close([place]).release();
  }
  assert.equal(pool.held, 8192);
  const places = [slabs.take(8), slabs.take(8)];
  assert.equal(slabs.take(1), undefined);
  slabs.release(places[0]!);
  assert.ok(slabs.take(8));
});

test('bytes that were never written are noticed, in whatever order the others come', () => {
  const random = new Random(5);
  for (let round = 0; round < 200; round++) {
    const size = 1 + random.below(40);
    const cuts = [...new Set([0, size, ...Array.from({ length: 6 }, () => random.below(size))])].sort(
      (a, b) => a - b,
    );
    const pieces = cuts.slice(1).map((end, i) => [cuts[i]!, end] as const);
    random.shuffle(pieces as [number, number][]);
    const filled = new Filled();
    const missing = random.below(pieces.length);
    for (const [i, [from, to]] of pieces.entries()) if (i !== missing) filled.add(from, to);
    assert.ok(filled.whole < size);
    filled.add(...pieces[missing]!);
    assert.equal(filled.whole, size);
  }
});
