import { fail } from '../../base/index.ts';
import { openRemote } from '../../cluster/index.ts';
import { loadModel } from '../../files/index.ts';
import { costOf } from '../../graph/index.ts';
import { quantity } from '../../report/index.ts';
import { ARCHITECTURES, distill, LOSSES, makeStudent, parseLoss, parseStudent } from '../../train/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { numberOf, withData } from '../options.ts';
import { finishTraining, trainingRequest, withTraining } from '../training.ts';

const TAUGHT = Object.values(LOSSES).filter(({ learnsFrom }) => learnsFrom !== 'labels');

export const distillCommand: Command = {
  name: 'distill',
  summary: 'teaches a smaller model what a larger one answers, with labels or without',
  configure(command) {
    command.argument('<teacher>', 'an .onnx file, or the URL of a served model (http://host/v2/models/NAME)');
    withTraining(
      withData(command, true)
        .requiredOption(
          '--student <what>',
          `an .onnx file; narrower:0.5 (channels cut to half of the MACs); shallower:0.5 (half of the blocks); or ${Object.keys(ARCHITECTURES).join(', ')}, with :0.1 for a tenth of the teacher's MACs or :x0.5 for half of its usual width`,
        )
        .option(
          '--alpha <x>',
          "share of the teacher in the loss, the rest is the labels' (default: 0.9, without labels 1)",
        )
        .option('--temperature <x>', 'softens the distributions of both (default: 4)')
        .option(
          '--loss <name>',
          `from the teacher: ${TAUGHT.map(({ name, summary }) => `${name} (${summary})`).join(', ')} (default: what its outputs end in)`,
        )
        .option('--label-loss <spec...>', 'from the labels, as --loss of modicum train')
        .option('--features <pairs...>', 'inner values to be matched, student=teacher')
        .option(
          '--scores <what>',
          'what a served teacher answers: logits or probabilities (default: by its values)',
        ),
      '10',
    ).addHelpText(
      'after',
      `
Examples:
  modicum distill big.onnx --student ds-cnn:0.1 --data unlabelled.npz --epochs 30
  modicum distill big.onnx --student small.onnx --data train.npz --metric top1 --alpha 0.7
  modicum distill http://localhost:8000/v2/models/big --student mlp --data rows.csv`,
    );
  },
  async run([path = ''], options, console) {
    const remote = /^https?:/.test(path);
    const wanted = String(options.student);
    const request = parseStudentOrFile(wanted);
    const base = remote ? 'student.onnx' : path;
    const out = base.replace(/(\.onnx)?$/, '.distilled.onnx');
    const inputs = [...(remote ? [] : [path]), ...(request === undefined ? [wanted] : [])];
    const training = await trainingRequest(options, await loadConfig(), { out, inputs }, console);
    const teacher = remote ? await openRemote(path) : await loadModel(path);
    if (request !== undefined && 'run' in teacher) {
      throw fail(
        'USAGE_BAD_OPTION',
        'a student is made of a teacher that is a file; give an .onnx file with --student',
      );
    }
    const student =
      request === undefined || 'run' in teacher
        ? { model: await loadModel(wanted), words: wanted, macs: undefined }
        : await makeStudent(request, teacher, training.data, training.fit.seed, console.signal);
    const number = (name: string, least: number, most: number) =>
      options[name] === undefined ? undefined : numberOf(name, options[name], least, most);
    const result = await distill(teacher, student.model, training.data, {
      ...training.fit,
      alpha: number('alpha', 0, 1),
      temperature: number('temperature', 0.01, 1000),
      loss: options.loss as string | undefined,
      losses: (options.labelLoss as string[] | undefined)?.map(parseLoss),
      features: (options.features as string[] | undefined)?.map(parsePair),
      scores: scoresOf(options.scores),
    });
    if ('run' in teacher) await teacher.dispose();
    const macs = costOf(result.model).total.macs;
    const before = 'run' in teacher ? undefined : costOf(teacher).total.macs;
    console.print(
      `student: ${student.words}, ${quantity(macs, '')} MACs${before === undefined ? '' : ` (the teacher takes ${quantity(before, '')})`}`,
    );
    const json = await finishTraining(result, training, console);
    return { json: { ...json, student: student.words, macs, teacherMacs: before } };
  },
};

function parseStudentOrFile(text: string) {
  return /\.onnx$|[/\\]/.test(text) ? undefined : parseStudent(text);
}

function parsePair(text: string) {
  const [student, teacher, ...rest] = text.split('=');
  if (student && teacher && rest.length === 0) return { student, teacher };
  throw fail('USAGE_BAD_OPTION', `--features "${text}" is not of the form student=teacher`);
}

function scoresOf(text: unknown): 'logits' | 'probabilities' | undefined {
  if (text === undefined || text === 'logits' || text === 'probabilities') return text;
  throw fail('USAGE_BAD_OPTION', `--scores is "${text}"; it takes logits or probabilities`);
}
