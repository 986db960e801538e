import { render } from 'preact';
import './styles/base.css';
import './styles/overview.css';
import './styles/charts.css';
import './styles/try.css';
import { Feed } from './live/feed.ts';
import { App } from './shell/app.tsx';
import { applyTheme } from './shell/theme.ts';

applyTheme();
const feed = new Feed();
feed.start();
render(<App feed={feed} />, document.body);
