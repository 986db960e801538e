import { useId, useState } from 'preact/hooks';

/** A place to drop a file on, or to choose one by a click or by a key. */
export function FileDrop(props: { accept: string; words: string; onFile: (file: File) => void }) {
  const { accept, words, onFile } = props;
  const [over, setOver] = useState(false);
  const id = useId();
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file !== undefined) onFile(file);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer?.files);
  };
  const onDragOver = (event: DragEvent) => {
    event.preventDefault();
    setOver(true);
  };
  return (
    <div class={`drop ${over ? 'over' : ''}`}>
      <input id={id} type="file" accept={accept} onChange={(event) => take(event.currentTarget.files)} />
      <label for={id} onDrop={onDrop} onDragOver={onDragOver} onDragLeave={() => setOver(false)}>
        {words}
      </label>
    </div>
  );
}
