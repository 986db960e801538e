export { renderHtml } from './html.ts';
export { renderLoadHtml } from './load-html.ts';
export { loadVerdict, renderLoadTerminal } from './load-terminal.ts';
export { digits, quantity, show, showInterval } from './numbers.ts';
export type {
  Decision,
  Figure,
  LayerTime,
  Story,
  StoryFigures,
  StoryLook,
  StorySettings,
  StoryStep,
  StoryVariant,
} from './story.ts';
export { renderDecisions, renderTerminal, textTable } from './terminal.ts';
