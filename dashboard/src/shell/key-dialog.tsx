import { useEffect, useRef, useState } from 'preact/hooks';
import { keepKey, readKey } from '../server/key.ts';

/** Asks for the API key while the server refuses without one. */
export function KeyDialog({ open, why, onKey }: { open: boolean; why: string; onKey: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState('');
  useEffect(() => {
    if (open && !dialog.current!.open) dialog.current!.showModal();
    if (!open && dialog.current!.open) dialog.current!.close();
  }, [open]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (key.trim() === '') return;
    keepKey(key.trim());
    setKey('');
    onKey();
  };
  const had = readKey() !== undefined;
  return (
    // Escape would leave a page without figures.
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="key-title"
      onCancel={(event) => event.preventDefault()}
    >
      <form onSubmit={submit}>
        <h2 id="key-title">API key</h2>
        <p>
          {had ? `The server does not take the key: ${why}` : 'This server answers to those who have a key.'}
        </p>
        <label>
          Key
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <p class="quiet">It is kept in this tab only, until the tab is closed.</p>
        <button type="submit" class="button primary">
          Continue
        </button>
      </form>
    </dialog>
  );
}
