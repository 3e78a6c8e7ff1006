import type { ChatUser, ChatUsers } from '../people.ts';
import { Refused } from '../platform.ts';
import type { Connector, Member } from './connector.ts';
import type { Places } from './places.ts';

export type UserParts = {
  readonly connector: Pick<Connector, 'member'>;
  readonly places: Pick<Places, 'shared'>;
  readonly tenants: readonly string[];
};

/** Who somebody is in Teams: tenant and Entra's object id. Names and e-mail addresses there prove nothing. */
export function teamsUsers({ connector, places, tenants }: UserParts): ChatUsers {
  return {
    platform: 'teams',
    async user(account) {
      const { workspace, user } = account;
      if (!tenants.includes(workspace))
        return { refused: 'Only members of the tenants that Countersign is set up for act here.' };
      const at = await places.shared(workspace, user);
      if (!at) return { refused: 'Write to Countersign in Teams once, so that it knows you.' };
      try {
        const member = await connector.member(at.service, at.conversation, at.member);
        const refused = unfit(member, account);
        return refused === undefined ? asUser(member, account) : { refused };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        return { refused: 'Teams does not know you here any more: write to Countersign again.' };
      }
    },
    byEmail: () => Promise.resolve([]),
    matchesEmail: () => false,
  };
}

type Account = ChatUser['account'];

const asUser = ({ name, userPrincipalName }: Member, account: Account): ChatUser => ({
  account,
  name: userPrincipalName ?? name ?? account.user,
  workspaceName: account.workspace,
});

const same = (a: string | null | undefined, b: string): boolean => a?.toLowerCase() === b;

/** Guests have an object id of the tenant they are guests of; people of shared channels have their own tenant. */
function unfit(member: Member, { workspace, user }: Account): string | undefined {
  const { tenantId, userRole, userPrincipalName } = member;
  if (!same(member.aadObjectId ?? member.objectId, user))
    return 'Teams gives no object id for you, so Countersign cannot tell who you are.';
  if (!same(tenantId, workspace) || /#EXT#/iu.test(userPrincipalName ?? ''))
    return 'Only members of the tenants that Countersign is set up for act here, not guests.';
  return same(userRole ?? 'user', 'user') ? undefined : 'Guests of the tenant cannot act here.';
}
