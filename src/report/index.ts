export { renderHtml } from './html.ts';
export { digits, quantity, show, showInterval } from './numbers.ts';
export type { Figure, LayerTime, Story, StoryFigures, StoryStep, StoryVariant } from './story.ts';
export { renderTerminal, textTable } from './terminal.ts';
