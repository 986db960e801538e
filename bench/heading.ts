import { describeMachine } from '../src/run/index.ts';

/** The line above a table: machine, versions and what else the figures depend on. */
export function heading(rest: string): string {
  const { cpu, availableCores, features, versions } = describeMachine();
  const versionsText = `node ${versions.node}, onnxruntime ${versions.onnxruntime}`;
  return `${cpu}, ${availableCores} cores, ${features.join(' ')}; ${versionsText}; ${rest}\n`;
}
