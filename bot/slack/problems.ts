import { platformError } from './client.ts';

/** A token of Slack's two: of the bot (Web API), or of the app (Socket Mode). */
export type TokenKind = 'bot' | 'app';

const WHERE: Record<TokenKind, { readonly key: string; readonly next: string }> = {
  bot: {
    key: 'chat.slack.botToken',
    next: 'install the app again (OAuth & Permissions)',
  },
  app: {
    key: 'chat.slack.appToken',
    next: 'make a new one with the scope connections:write (Basic Information, App-Level Tokens)',
  },
};
/** What Slack says of a token that is of no use any more, or never was. */
const REFUSED = [
  'invalid_auth',
  'not_authed',
  'account_inactive',
  'token_revoked',
  'token_expired',
  'user_removed_from_team',
  'team_disabled',
  'missing_scope',
  'not_allowed_token_type',
  'no_permission',
];
const MEANWHILE = 'until then requests are decided in the console';

/** What an operator has to do when Slack refuses the token; undefined when `error` says nothing of it. */
export function tokenProblem(kind: TokenKind, error: unknown): string | undefined {
  const code = platformError(error);
  if (code === undefined || !REFUSED.includes(code)) return undefined;
  const { key, next } = WHERE[kind];
  return `Slack refuses ${key} (${code}): ${next}, set ${key} and restart; ${MEANWHILE}`;
}
