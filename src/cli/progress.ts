import cliProgress from 'cli-progress';
import type { Progress, ProgressStage } from '../base/index.ts';
import { SILENT } from '../base/index.ts';

/** Work shorter than this shows no bar, in milliseconds. */
const PATIENCE = 800;

/** Bars with the time left, on standard error; silent where that is no terminal. */
export function terminalProgress(stream: NodeJS.WriteStream, quiet: boolean): Progress & { stop(): void } {
  if (quiet || !stream.isTTY) return { ...SILENT, stop() {} };
  const bars = new cliProgress.MultiBar(
    {
      stream,
      clearOnComplete: true,
      hideCursor: true,
      format: ' {label} {bar} {value}/{total}  {eta_formatted} left  {note}',
      etaBuffer: 20,
    },
    cliProgress.Presets.shades_classic,
  );
  const open = new Set<() => void>();
  return {
    stage(label, total) {
      return delayed(() => {
        const bar = bars.create(Math.max(1, total), 0, { label: label.padEnd(28), note: '' });
        let value = 0;
        const stage: ProgressStage = {
          advance(done = 1, note = '') {
            value += done;
            if (total === 0) bar.setTotal(value + 1);
            bar.update(value, { note: note.slice(0, 40) });
          },
          end() {
            bar.stop();
            bars.remove(bar);
            open.delete(stage.end);
          },
        };
        open.add(stage.end);
        return stage;
      });
    },
    stop() {
      for (const end of [...open]) end();
      bars.stop();
    },
  };
}

/** A stage that draws nothing until it has lasted a moment. */
function delayed(make: () => ProgressStage): ProgressStage {
  let drawn: ProgressStage | undefined;
  let done = 0;
  let ended = false;
  const started = performance.now();
  return {
    advance(more = 1, note = '') {
      if (ended) return;
      if (drawn !== undefined) return drawn.advance(more, note);
      done += more;
      if (performance.now() - started > PATIENCE) {
        drawn = make();
        drawn.advance(done, note);
      }
    },
    end() {
      ended = true;
      drawn?.end();
    },
  };
}
