export type { CalibrationMethod, Calibrator, CalibratorOptions, ValueRange } from './calibrate/ranges.ts';
export { CALIBRATORS } from './calibrate/ranges.ts';
export {
  type CalibrateOptions,
  calibrate,
  collectStatistics,
  rangesFrom,
  type Statistics,
  type StatisticsOptions,
} from './calibrate/statistics.ts';
export type { Selection } from './selection.ts';
export { calibrationValues, STATIC_DEFAULTS, type StaticOptions, staticQuantization } from './static.ts';
