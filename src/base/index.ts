export { CATALOGUE, type ErrorCode } from './errors/catalogue.ts';
export { fail, ModicumError, messageOf } from './errors/error.ts';
export { type Progress, type ProgressStage, SILENT, throwIfAborted } from './progress.ts';
export { Random } from './random.ts';
export { VERSION } from './version.ts';
