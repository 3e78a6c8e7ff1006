import { z } from 'zod';
import type { SlackConfig, SlackSocketConfig } from '#src/config/config.ts';
import { failed, type Check } from './check.ts';

/** What the bot calls needs these; the manifest asks for them. */
const SCOPES = ['chat:write', 'users:read', 'users:read.email'];

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
    const { answer, granted } = await ask(slack, 'auth.test', slack.botToken, fetcher);
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
    const { answer } = await ask(slack, method, slack.appToken, fetcher);
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

async function ask(slack: SlackConfig, method: string, token: string, fetcher: typeof fetch) {
  const base = `${(slack.apiUrl ?? 'https://slack.com/api').replace(/\/$/, '')}/`;
  const response = await fetcher(new URL(method, base), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(10_000),
  });
  const answer = reply.parse(await response.json());
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
    found: missing.length === 0 ? SCOPES.join(', ') : `missing: ${missing.join(', ')}`,
    ...(missing.length > 0 && { next: 'install the app again with manifest.yml' }),
  };
}
