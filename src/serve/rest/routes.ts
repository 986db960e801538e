import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Context } from './context.ts';
import type { SchemaName } from './openapi-schemas.ts';

/** An answer of a route, for the OpenAPI document: what it means, and the schema of its body. */
export interface DocumentedAnswer {
  readonly says: string;
  /** None: no body. */
  readonly schema?: SchemaName;
}

/** One route, with all that the app and the OpenAPI document need to know of it. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** As Fastify writes it: /v2/models/:model. */
  readonly path: string;
  /** A name of its own, for generated clients. */
  readonly operation: string;
  readonly summary: string;
  /** Answers without a key. */
  readonly open?: boolean;
  /** Its body is read by itself, and it tells the observer what has happened. */
  readonly inference?: boolean;
  /** Schema of the body that it reads. */
  readonly body?: SchemaName;
  readonly answers: Readonly<Record<number, DocumentedAnswer>>;
  handle(context: Context, request: FastifyRequest, reply: FastifyReply): unknown;
}

/** The model that a path names. */
export function modelOf(request: FastifyRequest): { model: string; version: string | undefined } {
  const { model, version } = request.params as { model: string; version?: string };
  return { model, version };
}
