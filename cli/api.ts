import { z } from 'zod';
import { EXIT, Failure } from './failure.ts';
import { printable } from './terminal.ts';

/** The gateway's REST API, as one person. `base` ends in `/api/v1`. */
export type Api = {
  get<T>(path: string, reply: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, reply: z.ZodType<T>): Promise<T>;
};

const problem = z.object({ code: z.string(), detail: z.string() });

/** Answers that a script may want to tell apart; anything else is 1. */
const EXITS: Readonly<Record<string, 3 | 4>> = {
  'own-request': EXIT.refused,
  'not-an-approver': EXIT.refused,
  'step-up-required': EXIT.refused,
  'must-review': EXIT.refused,
  'already-decided': EXIT.ended,
  expired: EXIT.ended,
};

/** Rejects with `Failure`: the API's own words where it answered, the address where it did not. */
export function openApi(base: string, token: string, fetcher: typeof fetch = fetch): Api {
  const call = async <T>(method: string, path: string, reply: z.ZodType<T>, body?: unknown) => {
    let response: Response;
    try {
      response = await fetcher(`${base.replace(/\/$/, '')}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        // A token must not follow a redirect to somewhere else.
        redirect: 'error',
        signal: AbortSignal.timeout(30_000),
      });
    } catch (cause) {
      throw new Failure(`no API answers at ${base}`, {
        hint: 'start it with npm start or countersign serve, or name it with --api',
        cause,
      });
    }
    const json: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw refusal(response.status, json);
    const parsed = reply.safeParse(json);
    if (parsed.success) return parsed.data;
    throw new Failure(`${base} does not answer as this version of Countersign does`, {
      hint: 'are the command and the gateway of the same version?',
    });
  };
  return {
    get: (path, reply) => call('GET', path, reply),
    post: (path, body, reply) => call('POST', path, reply, body),
  };
}

function refusal(status: number, json: unknown): Failure {
  const parsed = problem.safeParse(json);
  if (!parsed.success) return new Failure(`the API answered with status ${status}`);
  const { code, detail } = parsed.data;
  return new Failure(printable(detail), {
    exit: EXITS[code] ?? (status === 422 ? EXIT.usage : EXIT.failed),
  });
}
