import { z } from 'zod';
import { RetryAfter } from '../inbox.ts';
import { Refused } from '../platform.ts';
import type { Framework } from './framework.ts';
import { baseOf, isAllowed } from './service-url.ts';

const CALL_MS = 10_000;
const WAIT_MS = 5_000;

const Failure = z.object({ error: z.object({ code: z.string().max(100) }) });
const Made = z.object({ id: z.string() });
const Opened = z.object({ id: z.string(), activityId: z.string().optional() });
const Member = z.object({
  id: z.string(),
  name: z.string().nullish(),
  aadObjectId: z.string().nullish(),
  objectId: z.string().nullish(),
  tenantId: z.string().nullish(),
  userRole: z.string().nullish(),
  userPrincipalName: z.string().nullish(),
});
export type Member = z.infer<typeof Member>;

/** Teams' REST API for bots, as far as it is used. Addresses are service URLs; ids are Teams' own. */
export type Connector = ReturnType<typeof openConnector>;

/**
 * Sends nothing but to the service URLs that are allowed. Not the SDK's own client: that one tries again and follows
 * redirects by itself, with our token. Rejects with `RetryAfter` or `Refused` (Teams' own code), or with what else went wrong.
 */
export function openConnector(
  framework: Framework,
  serviceUrls: readonly string[],
  /** Whether Teams takes our token, each time that it says so. */
  onToken: (taken: boolean) => void,
) {
  const ownToken = async (): Promise<string | undefined> => {
    try {
      return await framework.authorization();
    } catch (error) {
      onToken(false);
      throw error;
    }
  };
  const call = async (
    service: string,
    method: string,
    path: readonly string[],
    body?: object,
  ): Promise<unknown> => {
    if (!isAllowed(service, serviceUrls))
      throw new Refused('ServiceUrlNotAllowed', new Error(`${service} is not in serviceUrls`));
    const authorization = await ownToken();
    const response = await fetch(
      `${baseOf(service)}v3/${path.map((part) => encodeURIComponent(part)).join('/')}`,
      {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(CALL_MS),
        headers: {
          accept: 'application/json',
          ...(authorization !== undefined && { authorization }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      },
    );
    onToken(response.status !== 401);
    const text = await response.text();
    if (!response.ok) throw failureOf(response, text);
    return text === '' ? {} : JSON.parse(text);
  };
  return {
    /** Resolves with the id of the message. */
    async send(service: string, conversation: string, activity: object): Promise<string> {
      const path = ['conversations', conversation, 'activities'];
      return Made.parse(await call(service, 'POST', path, activity)).id;
    },
    async update(
      service: string,
      conversation: string,
      message: string,
      activity: object,
    ): Promise<void> {
      const path = ['conversations', conversation, 'activities', message];
      await call(service, 'PUT', path, { ...activity, id: message });
    },
    /** Begins a thread in a channel, or finds the chat with one person. */
    async create(service: string, parameters: object): Promise<z.infer<typeof Opened>> {
      return Opened.parse(await call(service, 'POST', ['conversations'], parameters));
    },
    /** Whoever takes part in a conversation, by Teams' id or Entra's object id. */
    async member(service: string, conversation: string, person: string): Promise<Member> {
      const path = ['conversations', conversation, 'members', person];
      return Member.parse(await call(service, 'GET', path));
    },
  };
}

function failureOf(response: Response, text: string): Error {
  const { status } = response;
  const code = codeOf(text) ?? `HTTP ${status}`;
  const cause = new Error(`Teams answered ${status} (${code})`);
  if (status === 429 || status === 412) {
    const seconds = Number(response.headers.get('retry-after'));
    return new RetryAfter(seconds > 0 ? seconds * 1_000 : WAIT_MS, cause);
  }
  // Our own password: nothing of this message, and worth another try once it is right.
  if (status === 401) return cause;
  return status >= 400 && status < 500 && status !== 408 ? new Refused(code, cause) : cause;
}

function codeOf(text: string): string | undefined {
  try {
    return Failure.safeParse(JSON.parse(text)).data?.error.code;
  } catch {
    return undefined;
  }
}
