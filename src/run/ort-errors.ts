import { fail, type ModicumError } from '../base/index.ts';
import type { SessionSettings } from './settings.ts';

/** Without the place in ONNX Runtime's own source and the failed assertion that its messages carry. */
function withoutPlace(message: string): string {
  const place = /\S*\.(?:cc|h|cpp|cu|mm):\d+ /.exec(message);
  if (place === null) return message;
  const rest = message.slice(place.index + place[0].length);
  const before = message.slice(0, place.index);
  const claim = /^.*? was false\. ?/.exec(rest);
  if (claim !== null) return before + (rest.slice(claim[0].length) || rest);
  return before + rest.slice(endOfSignature(rest)).replace(/^(?: const)?\s+/, '');
}

/** Where "type Class::name(arguments)" ends; 0 where the text does not start with one. */
function endOfSignature(text: string): number {
  let depth = 0;
  for (let i = text.indexOf('('); i >= 0 && i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return i + 1;
  }
  return 0;
}

function trimmed(message: string): string {
  return withoutPlace(message.replace(/\s+/g, ' '))
    .replace(/^Error: /, '')
    .trim();
}

const UNKNOWN_OPERATORS = [
  /Fatal error: (\S+?)\(-?\d+\) is not a registered function\/op/,
  /No Op registered for (\S+)/,
  /\("[^"]*", ([^,\s]+), "[^"]*", -?\d+\).* No opset import for domain/,
];
const NO_KERNEL = /Could not find an implementation for (\S+?)\((\d+)\) node with name '([^']*)'/;
/** What WebGPU says of a GPU without 16-bit floats (the feature shader-f16). */
const NO_FLOAT16 = /Program (\S+) requires f16 but the device does not support it/;
const NEW_OPSET = /Opset (\d+) is under development.*domain (\S+) is till opset (\d+)/;

/** Why a model did not load: RUNTIME_REFUSED, or PROVIDER_UNAVAILABLE where the provider is to blame. */
export function refusal(message: string, settings: SessionSettings, cause?: unknown): ModicumError {
  const why = trimmed(message);
  const { provider } = settings;
  const refuse = (text: string, data: Record<string, unknown> = {}) =>
    fail('RUNTIME_REFUSED', text, data, cause);
  for (const pattern of UNKNOWN_OPERATORS) {
    const op = pattern.exec(why)?.[1];
    if (op !== undefined) return refuse(`it does not know operator ${op} (${why})`, { op });
  }
  const [, op, version, node] = NO_KERNEL.exec(why) ?? [];
  if (op !== undefined) {
    const where = node === '' ? '' : ` of node "${node}"`;
    return refuse(`it has no ${provider} kernel for ${op}${where}, version ${version}, with these dtypes`, {
      op,
    });
  }
  const [, opset, domain, newest] = NEW_OPSET.exec(why) ?? [];
  if (opset !== undefined) {
    return refuse(`opset ${opset} of ${domain} is newer than ${newest}, the last it knows`, {
      opset: Number(opset),
    });
  }
  const needsHalf = withoutFloat16(why, provider);
  if (needsHalf !== undefined) return refuse(needsHalf.text, needsHalf.data);
  const dtype = /^Unsupported data type: (\d+)/.exec(why)?.[1];
  if (dtype !== undefined) {
    const text = `an input or output has ONNX data type ${dtype}, which the runtime's binding cannot carry`;
    return refuse(text, { dtype: Number(dtype) });
  }
  if (provider !== 'cpu' && /provider|backend|librar|device|adapter|driver|cuda|dlopen/i.test(why)) {
    return fail('PROVIDER_UNAVAILABLE', `${provider}: ${why}`, { provider, why }, cause);
  }
  return refuse(why);
}

/** Shaders are made when a node first runs, so it is said while loading or only then. */
function withoutFloat16(why: string, provider: string) {
  const op = NO_FLOAT16.exec(why)?.[1];
  if (op === undefined) return undefined;
  const text = `the GPU under ${provider} does not compute in float16, which ${op} is in`;
  return { text, data: { op, dtype: 'float16' } };
}

/** Why a run failed: FEED_MISMATCH where ONNX Runtime blames the feeds, else RUNTIME_FAILED. */
export function failure(message: string, cause?: unknown): ModicumError {
  const why = trimmed(message);
  if (/Got invalid dimensions for input|Invalid rank for input|Unexpected input data type/.test(why)) {
    return fail('FEED_MISMATCH', why, {}, cause);
  }
  const needsHalf = withoutFloat16(why, 'webgpu');
  if (needsHalf !== undefined) return fail('RUNTIME_FAILED', needsHalf.text, needsHalf.data, cause);
  return fail('RUNTIME_FAILED', why, {}, cause);
}
