import { loadModel } from '../../files/index.ts';
import { LOSSES, parseLoss, train } from '../../train/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { withData } from '../options.ts';
import { finishTraining, trainingRequest, withTraining } from '../training.ts';

const TAUGHT = Object.values(LOSSES).filter(({ learnsFrom }) => learnsFrom !== 'teacher');

export const trainCommand: Command = {
  name: 'train',
  summary: 'fits the weights of a model to labelled data',
  configure(command) {
    command.argument('<model>', 'an .onnx file with float32 weights');
    withTraining(
      withData(command, true).option(
        '--loss <spec...>',
        `output=loss:target*weight, all but the loss optional; losses: ${TAUGHT.map(({ name, summary }) => `${name} (${summary})`).join(', ')}`,
      ),
      '10',
    ).addHelpText(
      'after',
      `
Examples:
  modicum train model.onnx --data train.npz --metric top1 --epochs 20
  modicum train driving.onnx --data scenes.npz --loss steering=mse:angle*2 obstacle=cross-entropy
  modicum train model.onnx --data new.npz --freeze '^backbone' --rate 3e-4 --time 5m`,
    );
  },
  async run([path = ''], options, console) {
    const out = path.replace(/(\.onnx)?$/, '.trained.onnx');
    const request = await trainingRequest(options, await loadConfig(), { out, inputs: [path] }, console);
    const losses = (options.loss as string[] | undefined)?.map(parseLoss);
    const model = await loadModel(path);
    const result = await train(model, request.data, { ...request.fit, losses });
    return { json: await finishTraining(result, request, console) };
  },
};
