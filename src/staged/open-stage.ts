import type { Session } from '../run/index.ts';
import type { Stage } from './staged-model.ts';

/** A stage with the session that computes it: of ONNX Runtime, of a server far away, whatever answers. */
export interface OpenStage extends Pick<Stage, 'id' | 'answers' | 'carried' | 'exit'> {
  readonly session: Session;
}
