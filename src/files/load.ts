import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CATALOGUE, fail, ModicumError, messageOf } from '../base/index.ts';
import { decodeModel, type Model } from '../graph/index.ts';
import { externalResolver } from './external.ts';

/**
 * Loads an ONNX file. Weights inside are views into its bytes; external weights are read when asked for.
 * Throws FILE_NOT_FOUND, FILE_UNREADABLE, MODEL_*, EXTERNAL_*.
 */
export async function loadModel(path: string): Promise<Model> {
  const bytes = await readWhole(path);
  try {
    return decodeModel(bytes, externalResolver(dirname(resolve(path))));
  } catch (cause) {
    if (!(cause instanceof ModicumError)) throw cause;
    const why = cause.message.slice(CATALOGUE[cause.code].what.length + 2);
    throw fail(cause.code, why.includes(path) ? why : `${path}: ${why}`, { ...cause.data, path }, cause);
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', path, { path }, cause);
  });
  if (!found.isFile()) throw fail('FILE_UNREADABLE', `${path} is not a regular file`, { path });
  if (found.size > 2 ** 31 - 1) {
    throw fail('MODEL_TOO_LARGE', `${path} has ${found.size} bytes, over protobuf's 2 GiB`, { path });
  }
  try {
    return await readFile(path);
  } catch (cause) {
    throw fail('FILE_UNREADABLE', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
}
