import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the dashboard, read once: no request reaches the file system. */
export interface SiteFile {
  /** Relative, with "/" between folders. */
  readonly path: string;
  readonly type: string;
  readonly bytes: Buffer;
  /** Where it is worth it. */
  readonly gzipped: Buffer | undefined;
  readonly etag: string;
  /** Its name holds a hash of what is in it. */
  readonly immutable: boolean;
}

/** Beside the compiled server: dist/dashboard in the package. */
const BUILT = fileURLToPath(new URL('../../dashboard', import.meta.url));

/** Files of other types are not served. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const WORTH_GZIP = 1024;

/** The built dashboard; undefined where it was not built. */
export async function readSite(folder = BUILT): Promise<readonly SiteFile[] | undefined> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files: SiteFile[] = [];
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const place = join(entry.parentPath, entry.name);
    files.push(await siteFile(relative(folder, place).split(sep).join('/'), type, await readFile(place)));
  }
  return files.some(({ path }) => path === 'index.html') ? files : undefined;
}

async function siteFile(path: string, type: string, bytes: Buffer): Promise<SiteFile> {
  const gzipped = bytes.length < WORTH_GZIP ? undefined : await promisify(gzip)(bytes, { level: 9 });
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return {
    path,
    type,
    bytes,
    gzipped,
    etag: `"${hash}"`,
    immutable: /^assets\/.+-[\w-]{8}\.\w+$/.test(path),
  };
}
