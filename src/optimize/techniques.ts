import type { Point } from './space/dimension.ts';
import type { SpaceFacts } from './space/model-space.ts';

/** A way of saving compute, as the decisions name it. */
export interface Technique {
  readonly name: string;
  uses(point: Point): boolean;
  /** Why it is no choice here; undefined where it is one. */
  absent(facts: SpaceFacts): string | undefined;
}

const set = (dimension: string, ...values: readonly (string | number)[]) => ({
  uses: (point: Point) => values.includes(point[dimension] ?? ''),
});
const beyond = (dimension: string, least: number) => ({
  uses: (point: Point) => Number(point[dimension] ?? least) > least,
});
const always = { absent: () => undefined };
const untrained = ({ families }: SpaceFacts) =>
  families.length === 0 ? 'it learns, and no training data is given (--train-data)' : undefined;
const noMatrices = ({ mix }: SpaceFacts) =>
  mix.matmul + mix.recurrent > 0.05 ? undefined : 'hardly any of the products are of matrices';
const sizeAlone = ({ minimize }: SpaceFacts) =>
  minimize === 'size' ? 'how the model is run does not change its size' : undefined;
const oneSample = ({ minimize }: SpaceFacts) =>
  minimize === 'latency' ? 'the goal is the latency of a single sample' : undefined;
const oneCore = ({ cores }: SpaceFacts) => (cores === 1 ? 'there is one core' : undefined);

/** Everything that the search may use: a technique that it does not know of is missing here, and nowhere else. */
export const TECHNIQUES: readonly Technique[] = [
  { name: 'clean-up of the graph', uses: () => true, ...always },
  { name: 'pruning', ...set('family', 'pruned'), absent: untrained },
  {
    name: 'distillation into another architecture',
    uses: ({ family = 'whole' }) => !['whole', 'pruned', 'shallower'].includes(String(family)),
    absent: (facts) =>
      untrained(facts) ??
      (facts.families.some((family) => family !== 'pruned' && family !== 'shallower')
        ? undefined
        : 'no built-in architecture suits what the model reads'),
  },
  { name: 'fewer blocks', ...set('family', 'shallower'), absent: untrained },
  { name: 'int8, static', ...set('precision', 'static'), ...always },
  { name: 'int8, ranges cut', ...set('ranges', 'mse', 'percentile', 'entropy'), ...always },
  {
    name: 'channels equalized before int8',
    ...set('equalized', 'yes'),
    absent: ({ mix }) =>
      mix.conv > 0 ? undefined : 'there is no convolution whose channels could be brought to like ranges',
  },
  { name: 'outliers smoothed before int8', ...set('equalized', 'smoothed'), absent: noMatrices },
  { name: 'biases corrected after int8', ...set('precision', 'static'), ...always },
  { name: 'scales of int8 weights by the least error', ...set('fitted', 'least error'), ...always },
  {
    name: '7-bit weights',
    ...set('bits', 7),
    absent: ({ saturates }) =>
      saturates ? undefined : 'sums of 8-bit products cannot saturate on this processor',
  },
  {
    name: 'sensitive layers in float',
    ...beyond('kept', 0),
    absent: ({ layers }) => (layers > 1 ? undefined : 'there is one layer'),
  },
  { name: 'slow layers in float', ...set('slow', 'float'), ...always },
  { name: 'int8, dynamic', ...set('precision', 'dynamic'), absent: noMatrices },
  { name: 'int8 weights alone', ...set('precision', 'weights8'), absent: noMatrices },
  { name: 'int4 weights alone', ...set('precision', 'weights4'), absent: noMatrices },
  { name: 'int4 weights by HQQ, AWQ or GPTQ', ...set('fit', 'hqq', 'awq', 'gptq'), absent: noMatrices },
  {
    name: 'a precision for each layer',
    ...set('precision', 'mixed'),
    absent: ({ layers }) => (layers > 1 ? undefined : 'there is one layer'),
  },
  {
    name: 'fp16',
    ...set('precision', 'half'),
    absent: ({ minimize, providers }) =>
      minimize === 'size' || providers.length > 1
        ? undefined
        : "the CPU's provider computes in fp32 all the same: it would save size alone",
  },
  { name: 'int8, learned', ...set('precision', 'aware'), absent: untrained },
  { name: 'int8, roundings learned (AdaRound)', ...set('precision', 'adaround'), absent: untrained },
  { name: 'early exits', ...set('exits', 'yes'), absent: ({ noExits }) => noExits },
  {
    name: 'a cascade behind a smaller model',
    ...set('exits', 'cascade'),
    absent: (facts) => facts.noExits ?? untrained(facts),
  },
  {
    name: 'batches',
    ...beyond('batch', 1),
    absent: (facts) =>
      sizeAlone(facts) ??
      oneSample(facts) ??
      (facts.largestBatch > 1 ? undefined : 'the model or the data allow one sample a call'),
  },
  {
    name: 'several sessions at a time',
    ...beyond('instances', 1),
    absent: (facts) => sizeAlone(facts) ?? oneSample(facts) ?? oneCore(facts),
  },
  {
    name: 'several threads a session',
    ...beyond('threads', 1),
    absent: (facts) => sizeAlone(facts) ?? oneCore(facts),
  },
  { name: "fewer of the runtime's own optimizations", ...set('level', 'extended'), absent: sizeAlone },
  {
    name: 'another execution provider',
    uses: ({ provider = 'cpu' }) => provider !== 'cpu',
    absent: (facts) =>
      sizeAlone(facts) ??
      (facts.providers.length > 1 ? undefined : "none but the CPU's starts on this machine (modicum doctor)"),
  },
];
