import type { webApi } from '@slack/bolt';
import { z } from 'zod';
import type { Directory, Person } from '#src/identity/person.ts';

const Yes = z.boolean().optional();
const UserInfo = z.object({
  user: z.object({
    team_id: z.string(),
    deleted: Yes,
    is_bot: Yes,
    is_app_user: Yes,
    is_restricted: Yes,
    is_ultra_restricted: Yes,
    is_stranger: Yes,
    is_email_confirmed: Yes,
    profile: z.object({ email: z.string().optional() }).optional(),
  }),
});
type User = z.infer<typeof UserInfo>['user'];

export type Clicker = { readonly person: Person } | { readonly refused: string };

/**
 * Who clicked, as Slack and the directory know them at this moment. Rejects when one of them cannot be asked; then
 * nothing is decided.
 */
export async function clickerOf(
  client: webApi.WebClient,
  directory: Directory,
  teams: readonly string[],
  user: string,
): Promise<Clicker> {
  const info = UserInfo.parse(await client.users.info({ user })).user;
  const refused = unfit(info, teams);
  if (refused !== undefined) return { refused };
  const email = info.profile?.email ?? '';
  const person = await directory.find(email);
  // The Kelvin sign is a small k in lower case, but nobody's k: what differs in upper case is another address.
  return person && email.toUpperCase() === person.email.toUpperCase()
    ? { person }
    : { refused: 'Countersign does not know you: ask its operators to add you.' };
}

function unfit(user: User, teams: readonly string[]): string | undefined {
  if (user.is_bot || user.is_app_user) return 'Only people decide, not bots or apps.';
  if (user.deleted) return 'This Slack account is deactivated.';
  if (user.is_restricted || user.is_ultra_restricted)
    return 'Guests of the workspace cannot decide.';
  if (user.is_stranger || !teams.includes(user.team_id))
    return 'Only members of the workspaces that Countersign is set up for can decide.';
  if (user.is_email_confirmed === false || (user.profile?.email ?? '') === '')
    return 'Slack gives no confirmed e-mail address for you, so Countersign cannot tell who you are.';
  return undefined;
}
