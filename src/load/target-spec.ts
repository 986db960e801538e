import { stat } from 'node:fs/promises';
import { fail } from '../base/index.ts';
import type { SessionSettings } from '../run/index.ts';
import type { TargetSpec } from './messages.ts';

/** What a target given as text is: a URL, the folder of a bundle, or a model file. Throws FILE_NOT_FOUND, USAGE_BAD_OPTION. */
export async function targetSpec(
  target: string,
  settings: Partial<SessionSettings> = {},
  bundleSettings: 'throughput' | 'latency' = 'throughput',
): Promise<TargetSpec> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(target)) {
    if (/^(https?|grpcs?):\/\//i.test(target)) return { kind: 'url', url: target };
    throw fail('USAGE_BAD_OPTION', `${target} is no URL of a model`, {
      hint: 'Give http://host:port/v2/models/NAME or grpc://host:port/NAME, the folder of a bundle, or an .onnx file.',
    });
  }
  const found = await stat(target).catch((cause) => {
    throw fail('FILE_NOT_FOUND', target, { path: target }, cause);
  });
  return found.isDirectory()
    ? { kind: 'bundle', path: target, settings: bundleSettings, override: settings }
    : { kind: 'model', path: target, settings };
}
