import type { Measurement } from './record.ts';

export type Settings = Readonly<Record<string, string | number | boolean>>;

/** A measurement without what all measurements of one run share. */
export type Finding = Omit<Measurement, 'machine' | 'at' | 'settings'> & { readonly settings?: Settings };

/** Stamps findings with the machine, the time and the settings they share. */
export type Recorder = (finding: Finding) => Measurement;

export function recorder(machine: string, settings: Settings = {}, at = new Date().toISOString()): Recorder {
  return (finding) => ({ ...finding, settings: { ...settings, ...finding.settings }, machine, at });
}

/** The record of that name, or undefined. */
export function findRecord(records: readonly Measurement[], what: string): Measurement | undefined {
  return records.find((record) => record.what === what);
}
