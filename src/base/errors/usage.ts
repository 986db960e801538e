import type { ErrorRow } from './row.ts';

/** What a command can be given wrongly, and what the machine can refuse. */
export const USAGE_ERRORS = {
  USAGE_BAD_OPTION: { what: 'An option is not usable', hint: 'See the command with --help.', exit: 2 },
  FILE_NOT_FOUND: { what: 'A file is missing', hint: 'Check the path.', exit: 2 },
  FILE_UNREADABLE: {
    what: 'A file cannot be read',
    hint: 'Check its permissions and that it is a regular file.',
    exit: 2,
  },
  FILE_NOT_WRITTEN: {
    what: 'A file could not be written',
    hint: 'Free space or choose another place with --out; nothing half-written is left behind.',
    exit: 2,
  },
  CANCELLED: { what: 'Stopped on request', hint: 'Run the command again to start over.', exit: 2 },
  INTERNAL: {
    what: 'Modicum itself failed',
    hint: 'Please report it with the command and --json output.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
