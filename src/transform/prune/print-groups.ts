import type { Member, PruneGroup, PruneGroups } from './group.ts';

/**
 * The groups as text: what each unit is, what goes with it and what it is worth; then what keeps its size, and why.
 * `at` is how a member is written: the constant and its axis.
 */
export function printGroups({ groups }: Pick<PruneGroups, 'groups'>): string {
  const free = groups.filter(({ pinned }) => pinned === undefined);
  const fixed = groups.filter(({ pinned }) => pinned !== undefined);
  const lines: string[] = [];
  for (const group of free) {
    lines.push(headOf(group));
    for (const member of group.members) lines.push(`  ${memberText(member)}`);
    if (group.mixes !== undefined) lines.push(`  changes what remains: ${group.mixes}`);
  }
  if (free.length === 0) lines.push('nothing may be cut');
  if (fixed.length > 0) lines.push('', 'keep their size:');
  for (const { members, pinned } of fixed) {
    const names = members.map(({ initializer, axis }) => `${initializer}[${axis}]`);
    lines.push(`  ${names.join(', ')} (${members[0]!.indices.length}): ${pinned}`);
  }
  return `${lines.join('\n')}\n`;
}

function headOf({ id, units, width, parameters, macs }: PruneGroup): string {
  const what = width === 1 ? 'a unit' : `${width} neighbouring units`;
  return `cutting ${what} of ${id} (${units}) saves ${parameters} parameters and ${Math.round(macs)} MACs, and forces:`;
}

function memberText({ initializer, axis, role, node, op, indices }: Member): string {
  const count = indices[0]!.length;
  const user =
    node === ''
      ? ''
      : `, ${role === 'along' ? 'goes along in' : role === 'producer' ? 'made by' : 'read by'} ${op} ${node}`;
  return `${initializer}[${axis}]${count === 1 ? '' : ` x${count}`}${user}`;
}
