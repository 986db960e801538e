export {
  type Appender,
  stagingPath,
  writeAtomically,
  writeFileAtomically,
  writeFolderAtomically,
} from './atomic.ts';
export { loadModel } from './load.ts';
export { assertPlace } from './place.ts';
export { type SaveOptions, saveModel, weightBytes } from './save.ts';
