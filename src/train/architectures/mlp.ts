import { architecture, type CommonOptions } from './architecture.ts';
import { featuresOf } from './inputs.ts';
import { joined, reluLayers } from './linear.ts';
import { scaledChannels, scaledCount } from './size.ts';

export interface MlpOptions extends CommonOptions {
  /** Units per hidden layer. */
  readonly units: number;
  readonly layers: number;
  /** Numbers that stand for an id. */
  readonly embedding: number;
}

/** Fully connected layers with Relu on all inputs beside each other: numbers as they are, ids as rows of tables. */
export const mlp = architecture<MlpOptions>({
  name: 'mlp',
  summary: 'fully connected layers, for tables and anything small: all inputs, ids among them',
  defaults: { width: 1, depth: 1, probabilities: false, units: 512, layers: 2, embedding: 16 },
  reads: () => true,
  trunk(net, task, options) {
    const embedding = scaledChannels(options.embedding, options.width);
    const parts = task.inputs.map((input) => featuresOf(net, input, embedding));
    const units = scaledChannels(options.units, options.width);
    const sizes = new Array<number>(scaledCount(options.layers, options.depth)).fill(units);
    return reluLayers(net, 'fc', joined(net, 'features', parts), sizes);
  },
});
