import { z } from 'zod';
import { EXIT, Failure } from './failure.ts';
import { printable } from './terminal.ts';

/** The gateway's REST API, as one person. `base` ends in `/api/v1`. */
export type Api = {
  get<T>(path: string, reply: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: unknown, reply: z.ZodType<T>): Promise<T>;
  delete<T>(path: string, body: unknown, reply: z.ZodType<T>): Promise<T>;
  /** An answer that comes line by line, for as long as it takes. */
  lines(path: string): Promise<{ readonly type: string; readonly lines: AsyncIterable<string> }>;
};

/** How long an answer may take to begin. */
const PATIENCE_MS = 30_000;

const problem = z.object({ code: z.string(), detail: z.string() });

/** Answers that a script may want to tell apart; anything else is 1. */
const EXITS: Readonly<Record<string, 3 | 4>> = {
  'own-request': EXIT.refused,
  'not-an-approver': EXIT.refused,
  'step-up-required': EXIT.refused,
  'must-review': EXIT.refused,
  'not-allowed': EXIT.refused,
  'not-permitted': EXIT.refused,
  'already-decided': EXIT.ended,
  'has-ended': EXIT.ended,
  expired: EXIT.ended,
};

/** Rejects with `Failure`: the API's own words where it answered, the address where it did not. */
export function openApi(base: string, token: string, fetcher: typeof fetch = fetch): Api {
  const send = async (method: string, path: string, signal: AbortSignal, body?: unknown) => {
    try {
      return await fetcher(`${base.replace(/\/$/, '')}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        // A token must not follow a redirect to somewhere else.
        redirect: 'error',
        signal,
      });
    } catch (cause) {
      throw new Failure(`no API answers at ${base}`, {
        hint: 'start it with npm start or countersign serve, or name it with --api',
        cause,
      });
    }
  };
  const call = async <T>(method: string, path: string, reply: z.ZodType<T>, body?: unknown) => {
    const response = await send(method, path, AbortSignal.timeout(PATIENCE_MS), body);
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
    delete: (path, body, reply) => call('DELETE', path, reply, body),
    async lines(path) {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), PATIENCE_MS);
      const response = await send('GET', path, late.signal).finally(() => clearTimeout(timer));
      if (!response.ok)
        throw refusal(response.status, await response.json().catch(() => undefined));
      const type = response.headers.get('content-type') ?? '';
      return { type, lines: linesOf(response) };
    },
  };
}

/** Rejects with `Failure` when the connection breaks before the answer is complete. */
async function* linesOf({ body }: Response): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of body ?? []) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines.filter((line) => line !== '');
    }
  } catch (cause) {
    throw new Failure('the answer broke off', { hint: 'what came before is complete', cause });
  }
  if (rest !== '') yield rest;
}

function refusal(status: number, json: unknown): Failure {
  const parsed = problem.safeParse(json);
  if (!parsed.success) return new Failure(`the API answered with status ${status}`);
  const { code, detail } = parsed.data;
  return new Failure(printable(detail), {
    exit: EXITS[code] ?? (status === 422 ? EXIT.usage : EXIT.failed),
  });
}
