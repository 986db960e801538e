/**
 * ONNX Runtime's builds from Microsoft send usage data home unless told not to. A tool that runs other people's models
 * must not do that unasked: this turns it off before the first session opens. It must happen on the main thread, where
 * setting a variable reaches the environment that native code reads; who wants it on sets ORT_DISABLE_TELEMETRY=0.
 */
export function silenceTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}
