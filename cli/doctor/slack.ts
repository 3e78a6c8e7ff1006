import { z } from 'zod';
import type { SlackConfig } from '#src/config/config.ts';
import { failed, type Check } from './check.ts';

/** What the bot calls needs these; the manifest asks for them. */
const SCOPES = ['chat:write', 'users:read', 'users:read.email'];

const reply = z.object({
  ok: z.boolean(),
  error: z.string().optional(),
  team_id: z.string().optional(),
  team: z.string().optional(),
});

/** The token works, belongs to a workspace that may decide, and has the scopes the bot needs. */
export async function checkSlack(
  slack: SlackConfig,
  fetcher: typeof fetch = fetch,
): Promise<readonly Check[]> {
  const what = 'Slack';
  try {
    const url = new URL(
      'auth.test',
      `${(slack.apiUrl ?? 'https://slack.com/api').replace(/\/$/, '')}/`,
    );
    const response = await fetcher(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${slack.botToken}` },
      signal: AbortSignal.timeout(10_000),
    });
    const answer = reply.parse(await response.json());
    if (!answer.ok)
      return [
        {
          what,
          state: 'fail',
          found: `auth.test says ${answer.error ?? 'no'}`,
          next: 'install the app again (manifest.yml) and set chat.slack.botToken',
        },
      ];
    return [workspace(slack, answer), scopes(response.headers.get('x-oauth-scopes'))];
  } catch (error) {
    return [failed(what, error, 'can this machine reach Slack?')];
  }
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
