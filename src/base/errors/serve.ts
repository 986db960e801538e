import type { ErrorRow } from './row.ts';

/** What serving, and asking a server, can end with. */
export const SERVE_ERRORS = {
  OVERLOADED: {
    what: 'The server has more work than it can do in time',
    hint: 'Try again after the time that it names (Retry-After), or give it more instances or a later deadline.',
    exit: 2,
  },
  DEADLINE_MISSED: {
    what: 'The answer would come too late',
    hint: 'Allow more time, or look at the queue of the model.',
    exit: 2,
  },
  MODEL_UNKNOWN: {
    what: 'The server has no such model',
    hint: 'Ask GET v2/models for the names; versions stand in the metadata of a model.',
    exit: 2,
  },
  MODEL_NOT_READY: {
    what: 'The model is not ready',
    hint: 'Wait until v2/models/NAME/ready answers 200.',
    exit: 2,
  },
  REQUEST_INVALID: {
    what: 'The request is not what the protocol asks for',
    hint: 'Compare it with the OpenAPI document of the server (/openapi.json).',
    exit: 2,
  },
  REQUEST_TOO_LARGE: {
    what: 'The request is larger than the server takes',
    hint: 'Send less at once, or raise the limit of the server.',
    exit: 2,
  },
  REQUEST_TOO_SLOW: {
    what: 'The request did not arrive in time',
    hint: 'Send it faster, or raise the time limit of the server.',
    exit: 2,
  },
  KEY_REFUSED: {
    what: 'The API key is missing or not known',
    hint: 'Send it as "authorization: Bearer KEY" or "x-api-key: KEY".',
    exit: 2,
  },
  KEY_LIMITED: {
    what: 'The API key is at its limit',
    hint: 'Wait for as long as Retry-After says.',
    exit: 2,
  },
  SERVER_CONFIG_INVALID: {
    what: 'The settings of the server are not valid',
    hint: 'See docs/serve.md for what they are.',
    exit: 2,
  },
  SERVER_NOT_STARTED: {
    what: 'The server does not start',
    hint: 'Check that the address is free and may be used.',
    exit: 2,
  },
  SERVER_CLOSING: {
    what: 'The server is shutting down',
    hint: 'Ask another replica, or try again.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
