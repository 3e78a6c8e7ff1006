import type { FastifyError, FastifyReply } from 'fastify';
import { ScimError, type ScimType } from '#src/identity/scim/error.ts';
import { Problem } from '../api/problem.ts';

export const TYPE = 'application/scim+json; charset=utf-8';

type Failure = {
  readonly status: number;
  readonly detail: string;
  readonly scimType?: ScimType | undefined;
};

const UNREADABLE: ReadonlyMap<string, Failure> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', { status: 413, detail: 'The body is larger than 2 MiB.' }],
  [
    'FST_ERR_CTP_INVALID_MEDIA_TYPE',
    { status: 415, detail: 'Send application/scim+json or application/json.' },
  ],
]);

/** Anything thrown, as an answer (RFC 7644 section 3.12). What was not thrown for it is never quoted. */
export function failureOf(error: FastifyError | Error): Failure {
  if (error instanceof ScimError)
    return { status: error.status, detail: error.message, scimType: error.scimType };
  if (error instanceof Problem) return { status: error.status, detail: error.message };
  const known = 'code' in error ? UNREADABLE.get(error.code) : undefined;
  if (known) return known;
  if ('statusCode' in error && error.statusCode !== undefined && error.statusCode < 500)
    return { status: 400, detail: 'The request cannot be read.', scimType: 'invalidSyntax' };
  return {
    status: 503,
    detail: 'The gateway could not do it, and nothing has changed. Try again; its log says why.',
  };
}

export function sendFailure(
  reply: FastifyReply,
  { status, detail, scimType }: Failure,
): FastifyReply {
  if (status === 401) void reply.header('www-authenticate', 'Bearer');
  if (status === 429 || status === 503) void reply.header('retry-after', '60');
  return reply
    .code(status)
    .type(TYPE)
    .send({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: String(status),
      ...(scimType && { scimType }),
      detail,
    });
}
