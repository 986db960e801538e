import { useEffect, useState } from 'preact/hooks';
import { ModicumError } from '../../../src/base/index.ts';
import { type Answered, infer } from '../server/infer.ts';
import { labelsOf, type ModelInfo, modelInfo, said } from '../server/model.ts';
import type { Values } from '../server/tensors.ts';
import { linkTo } from '../shell/route.ts';
import { Answer } from './answer.tsx';
import type { Given } from './input.ts';
import { InputCard } from './input-card.tsx';

/** A form made from what a model says of its inputs, and the answer to what it is given. */
export function TryPage(props: {
  models: readonly string[];
  model: string | undefined;
  version: string | undefined;
}) {
  const { models, model, version } = props;
  const [info, setInfo] = useState<ModelInfo>();
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    setInfo(undefined);
    setTrouble('');
    if (model === undefined) return;
    const gone = new AbortController();
    modelInfo(model, version, gone.signal).then(setInfo, (error: unknown) => {
      if (!gone.signal.aborted) setTrouble(wordsOf(error));
    });
    return () => gone.abort();
  }, [model, version]);
  const names = model === undefined || models.includes(model) ? models : [model, ...models];
  return (
    <div class="try">
      <header class="title">
        <h2>Try a model</h2>
        <label class="field inline">
          Model
          <select
            value={model}
            onChange={(event) => {
              location.hash = linkTo('try', event.currentTarget.value);
            }}
          >
            {names.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {version !== undefined && <span class="version">v{version}</span>}
        {info !== undefined && <p>{said(info, 'description', 'title', 'doc')}</p>}
      </header>
      {trouble !== '' && (
        <p class="card trouble" role="alert">
          {trouble}
        </p>
      )}
      {info === undefined && trouble === '' && (
        <p class="card empty">{model === undefined ? 'No model is loaded.' : 'Asking for its inputs.'}</p>
      )}
      {info !== undefined && <TryForm key={`${info.name} ${version}`} info={info} version={version} />}
    </div>
  );
}

function TryForm({ info, version }: { info: ModelInfo; version: string | undefined }) {
  const [given, setGiven] = useState<Readonly<Record<string, Given>>>({});
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answered>();
  const [trouble, setTrouble] = useState('');
  const missing = info.inputs
    .map(({ name }) => ({ name, why: given[name] === undefined ? 'not given yet' : given[name].why }))
    .find(({ why }) => why !== undefined);

  const run = async (event: Event) => {
    event.preventDefault();
    if (missing !== undefined || busy) return;
    setBusy(true);
    try {
      const values = info.inputs.map(({ name }) => given[name]?.values as Values);
      setAnswer(await infer(info.name, values, version));
      setTrouble('');
    } catch (error) {
      setTrouble(wordsOf(error));
    }
    setBusy(false);
  };
  const onGiven = (name: string, value: Given) => setGiven((before) => ({ ...before, [name]: value }));
  return (
    <div class="halves">
      <form class="card" onSubmit={run} aria-label={`Inputs of ${info.name}`}>
        <div class={`inputs ${info.inputs.length > 3 ? 'many' : ''}`}>
          {info.inputs.map((port) => (
            <InputCard key={port.name} info={info} port={port} onGiven={onGiven} />
          ))}
        </div>
        <div class="row run">
          <button type="submit" class="button primary" disabled={missing !== undefined || busy}>
            {busy ? 'Running' : 'Run'}
          </button>
          {missing !== undefined && (
            <span class="quiet">
              {missing.name}: {missing.why}
            </span>
          )}
        </div>
      </form>
      <section class="card answer" aria-label="Answer" aria-live="polite" aria-busy={busy}>
        {trouble !== '' && (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
        {answer === undefined ? (
          trouble === '' && <p class="empty">The answer will be here.</p>
        ) : (
          <Answer answer={answer} labels={labelsOf(info)} />
        )}
      </section>
    </div>
  );
}

function wordsOf(error: unknown): string {
  const data = error instanceof ModicumError ? error.data : error;
  const { retryAfterMs: wait } = (data ?? {}) as { retryAfterMs?: unknown };
  const again = typeof wait === 'number' ? ` Try again in ${Math.ceil(wait / 1000)} s.` : '';
  if (error instanceof TypeError) return 'The server was not reached.';
  // The address is this one's own.
  const text =
    error instanceof Error ? error.message.replace(/https?:\S+ answered \d+: /, '') : String(error);
  return `${text}${again}`;
}
