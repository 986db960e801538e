export { CONFIDENCE_KINDS, type Judgement, judge, logitsOfRow, type ScoreReading } from '../staged/index.ts';
