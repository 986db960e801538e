import { commentText, stringLiteral } from './names.ts';

/** An input or output of the model, as C sees it. */
export interface CPort {
  readonly port: string;
  readonly param: string;
  readonly kind: 'input' | 'output';
  readonly type: string;
  readonly dims: readonly number[];
  readonly elements: number;
}

export interface HeaderParts {
  readonly name: string;
  readonly ports: readonly (CPort & { readonly parameter: string })[];
  readonly labels: readonly string[] | undefined;
  readonly arena: number;
  readonly flash: number;
}

/** The header: what the model takes and gives, in numbers that the compiler knows. */
export function headerText({ name, ports, labels, arena, flash }: HeaderParts): string {
  const macro = name.toUpperCase();
  const lines = [
    `/* ${name}: made by modicum edge --target c. */`,
    `#ifndef ${macro}_H`,
    `#define ${macro}_H`,
    '',
    '#include <stdint.h>',
    '',
    '/* Bytes of RAM that the model keeps for itself, and of the constant arrays. */',
    `#define ${macro}_ARENA_BYTES ${arena}`,
    `#define ${macro}_WEIGHT_BYTES ${flash}`,
    '',
  ];
  for (const { port, param, kind, type, dims, elements } of ports) {
    const own = `${macro}_${param.toUpperCase()}`;
    lines.push(
      `/* The ${kind} ${commentText(port)}: ${type}[${dims.join(', ')}]. */`,
      `#define ${own}_SIZE ${elements}`,
      `#define ${own}_RANK ${dims.length}`,
      ...(dims.length > 0 ? [`#define ${own}_DIMS { ${dims.join(', ')} }`] : []),
      '',
    );
  }
  if (labels !== undefined && labels.length > 0) {
    lines.push(
      `#define ${macro}_LABEL_COUNT ${labels.length}`,
      `#define ${macro}_LABELS { ${labels.map(stringLiteral).join(', ')} }`,
      '',
    );
  }
  lines.push(
    '/* What NAME_run answers. */'.replace('NAME', name),
    `#define ${macro}_OK 0`,
    `#define ${macro}_BAD_INDEX 1`,
    '',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    '/*',
    ' * One run. Arrays are in the order of their axes, the last one side by side, and must not overlap. It allocates nothing,',
    ' * and is not reentrant: the arena is shared by all calls. An index that is not there ends the run with _BAD_INDEX.',
    ' */',
    `int ${name}_run(${ports.map(({ parameter }) => parameter).join(', ')});`,
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '',
    `#endif /* ${macro}_H */`,
    '',
  );
  return lines.join('\n');
}
