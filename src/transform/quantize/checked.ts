import { fail } from '../../base/index.ts';
import type { Model, Node } from '../../graph/index.ts';
import type { PassNote, PassResult } from '../pass.ts';
import { checkFusion } from './fusion.ts';
import type { Repair } from './fusion-report.ts';
import { type Selection, unknownNames } from './selection.ts';

/**
 * Runs a rewriting with exclusions until all that it rewrote fuses: what the runtime leaves in pieces is excluded and the rewriting
 * runs anew from the float model. For passes that write integer operators themselves.
 */
export async function untilFused(
  rewrite: (excluded: readonly string[]) => { model: Model; notes: PassNote[] },
): Promise<PassResult> {
  const repaired: Repair[] = [];
  for (;;) {
    const { model, notes } = rewrite(repaired.map(({ node }) => node));
    const report = await checkFusion(model);
    const loose = report.nodes.filter(({ status }) => status !== 'fused');
    const fresh = loose.filter(({ name }) => !repaired.some(({ node }) => node === name));
    const changed = notes.filter(({ action }) => action === 'changed').length;
    if (fresh.length === 0 || fresh.length >= changed) {
      const reverted = new Map(repaired.map(({ node, what }) => [node, what]));
      const told = notes.map((note) => {
        const why = reverted.get(note.node);
        return why === undefined ? note : { ...note, action: 'reverted' as const, why };
      });
      return { model, modified: true, notes: told, fusion: { ...report, repaired } };
    }
    for (const { name, why } of fresh) {
      repaired.push({ node: name, what: `back to float: ${why}`, reverted: true });
    }
  }
}

/** Throws NOTHING_TO_QUANTIZE, with the first reason, where no note tells of a change. */
export function requireChange(notes: readonly PassNote[], otherwise: string): void {
  if (notes.some(({ action }) => action === 'changed')) return;
  throw fail('NOTHING_TO_QUANTIZE', notes[0] ? `${notes[0].node}: ${notes[0].why}` : otherwise);
}

/** Notes of the names in a selection that no node bears: a misspelt exclusion must not be silent. */
export function unknownNotes(selection: Selection, nodes: readonly Node[]): PassNote[] {
  return unknownNames(selection, nodes).map((node) => ({
    node,
    op: '',
    action: 'refused',
    why: 'excluded, but no node bears this name',
  }));
}
