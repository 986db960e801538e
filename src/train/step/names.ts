/** Names of the inputs and outputs of a step, beside those of the model. */
export const STEP = {
  parameters: 'step.parameters',
  average: 'step.average',
  running: 'step.running',
  slot: (name: string) => `step.slot.${name}`,
  scalar: (name: string) => `step.scalar.${name}`,
  target: (i: number) => `step.target.${i}`,
  partner: 'step.partner',
  share: 'step.share',
  loss: 'step.loss',
  term: (i: number) => `step.term.${i}`,
  gradient: 'step.gradient',
  next: (name: string) => `${name}.next`,
} as const;
