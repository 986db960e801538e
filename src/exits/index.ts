export { type Answer, type Answers as ModelAnswers, answersOf } from './answers.ts';
export { type Calibration, expectedCalibrationError, fitTemperature, type Scored } from './calibrate.ts';
export { type CascadeModel, type CascadeOptions, type CascadeResult, cascadeOf } from './cascade-of.ts';
export { type ChooseOptions, type ChosenPlaces, choosePlaces, type PlaceRow } from './choose-places.ts';
export { type ExitBundleParts, writeExitBundle } from './exit-bundle.ts';
export { type ExitsResult, exits } from './exits.ts';
export { addHeads, type Head, type HeadPlan, type HeadWeights, type MultiExitModel } from './heads.ts';
export {
  type MeasuredBatch,
  type MeasuredExits,
  type MeasureExitsOptions,
  measureExits,
  ONE_FILE,
  STAGES,
  WHOLE,
} from './measured.ts';
export { nestedIf } from './nested-if.ts';
export type { ExitsOptions } from './options.ts';
export { exitPlaces, type Place, type PlaceOptions } from './places.ts';
export type { Pooling } from './pooling.ts';
export { type Probe, probePlaces } from './probe.ts';
export type { ExitReport, ExitRow, Share, SideOutput } from './report.ts';
export { type ExitCut, type SplitStagesOptions, splitStages } from './split-stages.ts';
export { StreamDecider, type StreamDecision, type StreamRule } from './stream-decider.ts';
export { type StreamExitsOptions, type StreamExitsResult, streamExits } from './stream-exits.ts';
export {
  heard,
  type StreamOptions,
  type StreamScores,
  statefulScores,
  type WindowOptions,
  windowScores,
} from './stream-scores.ts';
export {
  certifyStream,
  decideStream,
  type StreamExitOptions,
  type StreamReport,
  type StreamStep,
  type Streams,
  streamTable,
} from './streaming.ts';
export {
  exitTable,
  type RecordStagesOptions,
  recordStages,
  type StageRecord,
  stageScores,
} from './tables.ts';
export {
  type Certificate,
  type CertifyOptions,
  certify,
  type ExitOutcome,
  type ExitTable,
  fromSafest,
  outcomeOf,
  type Thresholds,
  thresholdPath,
} from './thresholds.ts';
export { type HeadTraining, trainHeads, trainJointly } from './train-heads.ts';
