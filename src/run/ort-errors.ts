import { fail, type ModicumError } from '../base/index.ts';
import type { SessionSettings } from './settings.ts';

/** Without the places in ONNX Runtime's own source that its messages carry. */
function trimmed(message: string): string {
  return message
    .replace(/^Error: /, '')
    .replace(/(?:\/|[A-Z]:\\)\S+\.(?:cc|h|cpp):\d+ \S+(?: \([^)]*\))*\s*/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

const OPERATORS = [
  /Fatal error: (\S+?)\(-?\d+\) is not a registered function\/op/,
  /Could not find an implementation for (\S+?)\(-?\d+\)/,
  /No Op registered for (\S+)/,
  /No opset import for domain '?([^'\s]+)/,
];

/** Why a model did not load: RUNTIME_REFUSED, or PROVIDER_UNAVAILABLE where the provider is to blame. */
export function refusal(message: string, settings: SessionSettings, cause?: unknown): ModicumError {
  const why = trimmed(message);
  if (settings.provider !== 'cpu' && /provider|backend|librar|device|adapter|driver|cuda|dlopen/i.test(why)) {
    return fail(
      'PROVIDER_UNAVAILABLE',
      `${settings.provider}: ${why}`,
      { provider: settings.provider },
      cause,
    );
  }
  const op = OPERATORS.map((pattern) => pattern.exec(why)?.[1]).find((name) => name !== undefined);
  if (op !== undefined)
    return fail('RUNTIME_REFUSED', `operator ${op} is not known to it: ${why}`, { op }, cause);
  const unsupported = /^Unsupported data type: (\d+)/.exec(why)?.[1];
  if (unsupported !== undefined) {
    const data = { dtype: Number(unsupported) };
    const what = `an input or output has ONNX data type ${unsupported}, which the runtime's binding cannot carry`;
    return fail('RUNTIME_REFUSED', what, data, cause);
  }
  return fail('RUNTIME_REFUSED', why, {}, cause);
}

/** Why a run failed: FEED_MISMATCH where ONNX Runtime blames the feeds' shapes, else RUNTIME_FAILED. */
export function failure(message: string, cause?: unknown): ModicumError {
  const why = trimmed(message);
  if (/Got invalid dimensions for input|Invalid rank for input|Unexpected input data type/.test(why)) {
    return fail('FEED_MISMATCH', why, {}, cause);
  }
  return fail('RUNTIME_FAILED', why, {}, cause);
}
