/**
 * Whose fault it is when a message is not as the protocol says: a server reads what a client sent and answers REQUEST_INVALID,
 * a client reads what a server sent and ends with REMOTE_FAILED.
 */
export type Blame = 'REQUEST_INVALID' | 'REMOTE_FAILED';
