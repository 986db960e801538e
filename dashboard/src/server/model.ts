import { askJson } from './ask.ts';

export interface Port {
  readonly name: string;
  readonly datatype: string;
  /** -1: any. */
  readonly shape: readonly number[];
}

/** GET v2/models/NAME. */
export interface ModelInfo {
  readonly name: string;
  readonly versions?: readonly string[];
  readonly platform: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** What the model says of itself (metadata of the ONNX file): title, labels and the like. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export function pathOf(name: string, version?: string): string {
  const of = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
  return `v2/models/${encodeURIComponent(name)}${of}`;
}

export function modelInfo(name: string, version?: string, signal?: AbortSignal): Promise<ModelInfo> {
  return askJson<ModelInfo>(pathOf(name, version), { signal });
}

/** A text of the model's own metadata. */
export function said({ parameters }: ModelInfo, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = parameters?.[name];
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'object' && value !== null) return JSON.stringify(value);
    if (typeof value === 'number') return String(value);
  }
  return undefined;
}

/** Names of the classes in the order of the scores, in any form that exporters write: a list, or names by index. */
export function labelsOf(info: ModelInfo): readonly string[] {
  const text = said(info, 'labels', 'classes', 'names', 'id2label', 'class_names');
  return text === undefined ? [] : labelsIn(text);
}

export function labelsIn(text: string): string[] {
  const list = jsonIn(text) ?? jsonIn(text.replaceAll("'", '"').replace(/([{,]\s*)(\d+)\s*:/g, '$1"$2":'));
  if (Array.isArray(list)) return list.map(String);
  if (typeof list === 'object' && list !== null) {
    const labels: string[] = [];
    for (const [index, label] of Object.entries(list))
      if (/^\d+$/.test(index)) labels[Number(index)] = String(label);
    return Array.from(labels, (label, i) => label ?? String(i));
  }
  return text
    .split(text.includes('\n') ? '\n' : ',')
    .map((label) => label.trim())
    .filter((label) => label !== '');
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
