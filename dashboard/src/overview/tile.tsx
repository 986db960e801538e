import type { ComponentChildren } from 'preact';

/** One figure, large, with its name and what is to be known of it. */
export function Tile(props: { name: string; value: string; bad?: boolean; children?: ComponentChildren }) {
  const { name, value, bad, children } = props;
  return (
    <div class={`tile ${bad ? 'bad' : ''}`}>
      <dt>{name}</dt>
      <dd>
        <b>{value}</b>
        <span>{children}</span>
      </dd>
    </div>
  );
}
