import type { Traces } from './otel.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Whether the standard variables ask for traces. */
export function tracesWanted(env: Env): boolean {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  if (env.OTEL_TRACES_EXPORTER?.trim() === 'none') return false;
  return Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
}

/** Opens the traces that the standard variables (OTEL_*) ask for, and loads what they need only then; undefined where they ask for none. */
export async function openTraces(env: Env = process.env): Promise<Traces | undefined> {
  if (!tracesWanted(env)) return undefined;
  const { openOtel } = await import('./otel.ts');
  return openOtel(env);
}
