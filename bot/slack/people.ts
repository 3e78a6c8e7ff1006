import type { webApi } from '@slack/bolt';
import { z } from 'zod';
import type { SlackConfig } from '#src/config/config.ts';
import type { Account } from '../desk.ts';
import type { ChatUser, ChatUsers } from '../people.ts';
import { platformError } from './client.ts';

const Yes = z.boolean().optional();
const User = z.object({
  id: z.string(),
  team_id: z.string(),
  name: z.string().default(''),
  deleted: Yes,
  is_bot: Yes,
  is_app_user: Yes,
  is_restricted: Yes,
  is_ultra_restricted: Yes,
  is_stranger: Yes,
  is_email_confirmed: Yes,
  profile: z
    .object({
      email: z.string().optional(),
      display_name: z.string().default(''),
      real_name: z.string().default(''),
    })
    .optional(),
});
const UserInfo = z.object({ user: User });
type User = z.infer<typeof User>;

/** Who Slack's users are, as `users.info` says at this moment. */
export function slackUsers(
  client: webApi.WebClient,
  { teams, matchEmail }: Pick<SlackConfig, 'teams' | 'matchEmail'>,
): ChatUsers {
  const named = workspaceNames(client);
  const fit = async (user: User): Promise<ChatUser | { readonly refused: string }> => {
    const refused = unfit(user, teams);
    if (refused !== undefined) return { refused };
    const email = user.is_email_confirmed === false ? undefined : user.profile?.email;
    const account: Account = { platform: 'slack', workspace: user.team_id, user: user.id };
    return {
      account,
      name: nameOf(user),
      workspaceName: await named(user.team_id),
      ...(email !== undefined && email !== '' && { email }),
    };
  };
  return {
    platform: 'slack',
    matchesEmail: (workspace) => matchEmail.includes(workspace),
    user: async ({ user }) => fit(UserInfo.parse(await client.users.info({ user })).user),
    async byEmail(email) {
      if (matchEmail.length === 0) return [];
      const found = await client.users.lookupByEmail({ email }).catch((error: unknown) => {
        if (platformError(error) === 'users_not_found') return undefined;
        throw error;
      });
      const user = found && (await fit(UserInfo.parse(found).user));
      if (!user || 'refused' in user || !matchEmail.includes(user.account.workspace)) return [];
      return user.email?.toUpperCase() === email.toUpperCase() ? [user.account] : [];
    },
  };
}

/** The name that is typed with @ is one of a kind; the other is what they call themselves. */
function nameOf({ name, id, profile }: User): string {
  const own = profile?.display_name || profile?.real_name || '';
  const handle = name === '' ? id : `@${name}`;
  return own === '' ? handle : `${own} (${handle})`;
}

function unfit(user: User, teams: readonly string[]): string | undefined {
  if (user.is_bot || user.is_app_user) return 'Only people decide, not bots or apps.';
  if (user.deleted) return 'This Slack account is deactivated.';
  if (user.is_restricted || user.is_ultra_restricted)
    return 'Guests of the workspace cannot decide.';
  if (user.is_stranger || !teams.includes(user.team_id))
    return 'Only members of the workspaces that Countersign is set up for can decide.';
  return undefined;
}

/** Slack tells the name of the workspace that the app is installed in; others are shown by their id. */
function workspaceNames(client: webApi.WebClient): (team: string) => Promise<string> {
  let own: Promise<{ team?: string; team_id?: string }> | undefined;
  return async (team) => {
    own ??= client.auth.test();
    const said = await own.catch(() => {
      own = undefined;
      return undefined;
    });
    return said?.team_id === team && said.team !== undefined ? `${said.team} (${team})` : team;
  };
}
