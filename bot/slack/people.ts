import type { webApi } from '@slack/bolt';
import type { Directory } from '#src/identity/person.ts';
import type { ChatPeople } from '../people.ts';
import { clickerOf } from './person.ts';

/** An account is the person with the same, confirmed e-mail address. */
export function peopleByEmail(
  client: webApi.WebClient,
  directory: Directory,
  teams: readonly string[],
): ChatPeople {
  return {
    async actor(account) {
      const clicker = await clickerOf(client, directory, teams, account.user);
      return 'refused' in clicker ? clicker : { actor: { account, person: clicker.person } };
    },
    async accounts(email) {
      const { user } = await client.users.lookupByEmail({ email });
      const [workspace = ''] = teams;
      return user?.id === undefined ? [] : [{ platform: 'slack', workspace, user: user.id }];
    },
  };
}
