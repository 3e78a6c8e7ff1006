import { z } from 'zod';
import type { Refusal } from '#src/approval/request.ts';

/** RFC 9457. `code` is stable, for programs; `detail` names the cause and the next step, for people. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  /** Where the input is wrong (422), or what is not ready (503). */
  errors: z.array(z.string()).readonly().optional(),
});
export type ProblemBody = z.infer<typeof problemSchema>;

const TITLES: ReadonlyMap<number, string> = new Map([
  [400, 'Bad request'],
  [401, 'Not signed in'],
  [403, 'Not allowed'],
  [404, 'Not found'],
  [405, 'Method not allowed'],
  [409, 'Conflict'],
  [413, 'Too large'],
  [415, 'Unsupported media type'],
  [422, 'Not valid'],
  [429, 'Too many attempts'],
  [503, 'Not available'],
]);

/** An error that is an answer. Its text is shown to whoever asked, so it never holds more than they may see. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly errors: readonly string[] | undefined;
  constructor(status: number, code: string, detail: string, errors?: readonly string[]) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }

  get title(): string {
    return TITLES.get(this.status) ?? 'Internal error';
  }

  get body(): ProblemBody {
    return {
      type: `urn:countersign:problem:${this.code}`,
      title: this.title,
      status: this.status,
      code: this.code,
      detail: this.message,
      ...(this.errors && { errors: this.errors }),
    };
  }
}

const REFUSED: Readonly<Record<Refusal['code'], number>> = {
  'not-found': 404,
  'already-decided': 409,
  'own-request': 403,
  'not-an-approver': 403,
  'not-your-turn': 409,
  'already-voted': 409,
  'reason-required': 422,
  'step-up-required': 403,
  expired: 409,
  stale: 409,
  'must-review': 403,
  'no-shape': 422,
  'no-duration': 422,
  'no-reactions': 422,
};

export function refused(refusal: Refusal): Problem {
  return new Problem(REFUSED[refusal.code], refusal.code, refusal.message);
}

export const notFound = (what: string): Problem =>
  new Problem(404, 'not-found', `There is no ${what} here that you may see. Check the address.`);

function field(error: unknown, name: 'code' | 'statusCode'): unknown {
  return error instanceof Error && name in error ? Reflect.get(error, name) : undefined;
}

/** Anything thrown, as an answer. What we did not throw ourselves is never quoted: it may hold values. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = field(error, 'code');
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new Problem(413, 'too-large', 'The body is larger than 16 KiB. Send a shorter reason.');
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Problem(
      415,
      'media-type',
      'This body type is not read here. Send application/json.',
    );
  const status = field(error, 'statusCode');
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new Problem(400, 'bad-request', 'The request cannot be read. Send well-formed JSON.');
  if (error instanceof Error && error.name === 'NotRecorded')
    return new Problem(
      503,
      'not-recorded',
      'The audit log cannot be written, so nothing was done. Try again when the store is back.',
    );
  return new Problem(
    503,
    'unavailable',
    'The gateway could not answer, and nothing was decided. Try again; its log says why.',
  );
}

/** What the operator's log may hold of an error: its kind and place, not its text, which may quote a value. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = field(error, 'code') ?? field(error.cause, 'code');
  const place = error.stack?.match(/\n\s+at .*/u)?.[0].trim() ?? '';
  return [error.name, typeof code === 'string' ? code : '', place].filter(Boolean).join(' ');
}
