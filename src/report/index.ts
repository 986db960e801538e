export type { Figure, LayerTime, Story, StoryFigures, StoryStep, StoryVariant } from './story.ts';
