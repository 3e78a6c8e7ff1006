import { z } from 'zod';
import type { SlackConfig, SlackSocketConfig } from '#src/config/config.ts';
import { failed, type Check } from './check.ts';

/** What the bot calls and hears needs these; manifest.yml asks for the same, and a test holds the two together. */
export const SCOPES: readonly string[] = [
  'app_mentions:read',
  'channels:read',
  'chat:write',
  'commands',
  'files:write',
  'groups:read',
  'im:history',
  'im:write',
  'links:read',
  'links:write',
  'reactions:read',
  'reactions:write',
  'users:read',
  'users:read.email',
];

const reply = z.object({
  ok: z.boolean(),
  error: z.string().optional(),
  team_id: z.string().optional(),
  team: z.string().optional(),
});

/** The tokens work; the bot's belongs to a workspace that may decide, and has the scopes the bot needs. */
export async function checkSlack(
  slack: SlackConfig,
  fetcher: typeof fetch = fetch,
): Promise<readonly Check[]> {
  const checks = [...(await checkBot(slack, fetcher))];
  if (slack.mode === 'socket') checks.push(await checkApp(slack, fetcher));
  return checks;
}

async function checkBot(slack: SlackConfig, fetcher: typeof fetch): Promise<readonly Check[]> {
  const what = 'Slack';
  try {
    const { answer, granted } = await askSlack(slack, 'auth.test', slack.botToken, {
      fetcher,
      reply,
    });
    if (!answer.ok)
      return [
        {
          what,
          state: 'fail',
          found: `auth.test says ${answer.error ?? 'no'}`,
          next: 'install the app again (manifest.yml) and set chat.slack.botToken',
        },
      ];
    return [workspace(slack, answer), scopes(granted)];
  } catch (error) {
    return [failed(what, error, 'can this machine reach Slack?')];
  }
}

/** Asks for an address to connect to, and does not connect: a running gateway loses nothing by it. */
async function checkApp(slack: SlackSocketConfig, fetcher: typeof fetch): Promise<Check> {
  const what = 'Slack Socket Mode';
  try {
    const method = 'apps.connections.open';
    const { answer } = await askSlack(slack, method, slack.appToken, { fetcher, reply });
    if (answer.ok) return { what, state: 'ok', found: 'the app token may connect' };
    return {
      what,
      state: 'fail',
      found: `${method} says ${answer.error ?? 'no'}`,
      next: 'switch Socket Mode on in the settings of the app, and set chat.slack.appToken to an app-level token with the scope connections:write',
    };
  } catch (error) {
    return failed(what, error, 'can this machine reach Slack?');
  }
}

/** Asks Slack's Web API; rejects when it does not answer, or not in this form. */
export async function askSlack<T>(
  slack: SlackConfig,
  method: string,
  token: string,
  { fetcher, reply: form }: { readonly fetcher: typeof fetch; readonly reply: z.ZodType<T> },
) {
  const base = `${(slack.apiUrl ?? 'https://slack.com/api').replace(/\/$/, '')}/`;
  const response = await fetcher(new URL(method, base), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(10_000),
  });
  const answer = form.parse(await response.json());
  return { answer, granted: response.headers.get('x-oauth-scopes') };
}

function workspace(slack: SlackConfig, answer: z.infer<typeof reply>): Check {
  const id = answer.team_id ?? '?';
  const allowed = slack.teams.includes(id);
  return {
    what: 'Slack workspace',
    state: allowed ? 'ok' : 'fail',
    found: `${answer.team ?? ''} ${id}`.trim(),
    ...(!allowed && {
      next: `the token belongs to ${id}; add it to chat.slack.teams, or use the right token`,
    }),
  };
}

function scopes(header: string | null): Check {
  const has = new Set((header ?? '').split(',').map((scope) => scope.trim()));
  const missing = SCOPES.filter((scope) => !has.has(scope));
  return {
    what: 'Slack scopes',
    state: missing.length === 0 ? 'ok' : 'fail',
    found: missing.length === 0 ? 'all that the bot needs' : `missing: ${missing.join(', ')}`,
    ...(missing.length > 0 && { next: 'install the app again with manifest.yml' }),
  };
}
