import type { Meter } from '../ports.ts';
import type { Tariff } from './tariff.ts';

/** Headers of an answer: what it has cost. Times in ms, energy in J, money in USD, each to four digits. */
export function meterHeaders(meter: Meter, tariff: Tariff): Record<string, string> {
  const joules = tariff.joules(meter.cpuSeconds);
  const dollars = tariff.dollars(meter.cpuSeconds);
  return {
    'x-modicum-version': meter.version,
    'x-modicum-queue-ms': number(meter.queueMs),
    'x-modicum-compute-ms': number(meter.computeMs),
    'x-modicum-cpu-ms': number(meter.cpuSeconds * 1000),
    'x-modicum-batch': String(meter.batch),
    ...(meter.exit !== undefined && { 'x-modicum-exit': String(meter.exit) }),
    ...(joules !== undefined && { 'x-modicum-joules': number(joules) }),
    'x-modicum-joules-method': tariff.method,
    ...(dollars !== undefined && { 'x-modicum-dollars': number(dollars) }),
    ...(meter.cached && { 'x-modicum-cached': '1' }),
    ...(meter.retried && { 'x-modicum-retried': '1' }),
  };
}

const number = (value: number) => String(Number(value.toPrecision(4)));
