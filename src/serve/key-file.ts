import { readFile, writeFile } from 'node:fs/promises';
import { fail, messageOf } from '../base/index.ts';
import { type KeyLimits, type KeyRecord, makeKey, readKeys, writeKeys } from './security/key.ts';

const LOOK_EVERY_MS = 5000;

/** The keys of a file. Throws SERVER_CONFIG_INVALID. */
export async function readKeyFile(path: string): Promise<readonly KeyRecord[]> {
  return readKeys(await textOf(path));
}

/** Looks at the file every few seconds; `changed` gets its keys when it says something else, `told` why they were not taken. The answer ends it. */
export function followKeyFile(
  path: string,
  changed: (keys: readonly KeyRecord[]) => void,
  told: (problem: string) => void,
  everyMs = LOOK_EVERY_MS,
): () => void {
  let [before, said] = ['', ''];
  const look = async () => {
    try {
      const text = await textOf(path);
      if (text === before) return;
      const keys = readKeys(text);
      if (before !== '') changed(keys);
      [before, said] = [text, ''];
    } catch (cause) {
      const why = messageOf(cause);
      if (why !== said) told(why);
      said = why;
    }
  };
  void look();
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Makes a key, adds its record to the file (which is made where it is not there) and answers the key: it stands nowhere else. Throws SERVER_CONFIG_INVALID. */
export async function addKey(path: string, name: string, limits: KeyLimits = {}): Promise<string> {
  const before = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw fail('SERVER_CONFIG_INVALID', `the key file ${path}: ${messageOf(cause)}`, { path }, cause);
  });
  const records = before === undefined ? [] : readKeys(before);
  const { key, record } = makeKey(name, limits);
  try {
    // What is kept proves a key and does not tell it; still nobody else's business.
    await writeFile(path, writeKeys([...records, record]), { mode: 0o600 });
  } catch (cause) {
    throw fail('SERVER_CONFIG_INVALID', `the key file ${path}: ${messageOf(cause)}`, { path }, cause);
  }
  return key;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw fail(
      'SERVER_CONFIG_INVALID',
      `the key file ${path} cannot be read: ${messageOf(cause)}`,
      { path },
      cause,
    );
  }
}
