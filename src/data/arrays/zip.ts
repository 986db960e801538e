import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { fail } from '../../base/index.ts';
import { type ByteFile, byteFile, damagedBy, fileSize, orDamaged } from './byte-file.ts';

const STORED = 0;

/** The entries of a zip archive, by name. Stored ones can be read anywhere, deflated ones front to back. */
export async function zipEntries(path: string, name: string): Promise<Map<string, ByteFile>> {
  const size = await fileSize(path);
  if (size === 0) throw fail('DATA_DAMAGED', `${name} has no bytes`, { name });
  const zip = await orDamaged(name, () => openPromise(path, { lazyEntries: true, autoClose: false }));
  try {
    return await orDamaged(name, async () => {
      const entries = new Map<string, ByteFile>();
      for await (const entry of zip.eachEntry()) {
        const label = `${entry.fileName} in ${name}`;
        if (entry.isEncrypted()) throw fail('DATA_DAMAGED', `${label} is encrypted`, { name });
        entries.set(entry.fileName, await entryFile(path, zip, entry, label));
      }
      return entries;
    });
  } finally {
    zip.close();
  }
}

async function entryFile(path: string, zip: ZipFile, entry: Entry, label: string): Promise<ByteFile> {
  if (entry.compressionMethod === STORED) {
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    return byteFile(path, label, fileDataStart, entry.uncompressedSize);
  }
  return {
    name: label,
    byteLength: entry.uncompressedSize,
    stream: (start) => inflate(path, entry, label, start),
  };
}

async function* inflate(
  path: string,
  entry: Entry,
  label: string,
  start: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  let crc = 0;
  const zip = await orDamaged(label, () => openPromise(path, { lazyEntries: true, autoClose: false }));
  try {
    const stream = await zip.openReadStreamPromise(entry);
    try {
      for await (const piece of stream as AsyncIterable<Uint8Array>) {
        crc = crc32(piece, crc);
        const skipped = Math.min(piece.length, Math.max(0, start - at));
        at += piece.length;
        if (skipped < piece.length) yield piece.subarray(skipped);
      }
    } finally {
      stream.destroy();
    }
    if (crc !== entry.crc32) throw fail('DATA_DAMAGED', `${label}: its checksum is wrong`, { name: label });
  } catch (cause) {
    throw damagedBy(label, cause);
  } finally {
    zip.close();
  }
}
