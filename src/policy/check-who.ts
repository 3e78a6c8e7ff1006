import type { Complaint } from './annotations.ts';
import { ownerGroups, type Owners } from './owners.ts';
import type { HoldTerms } from './rule.ts';
import { groupsNamed, ON_CALL, OWNER } from './who.ts';

type Known = { readonly groups: ReadonlySet<string>; readonly owners: Owners | undefined };

/** Groups and channels that have to exist for this hold, and what is wrong with whom it asks. */
export function checkWho(
  hold: HoldTerms | undefined,
  names: Known,
): {
  readonly groups: readonly string[];
  readonly channels: readonly string[];
  readonly complaints: readonly Complaint[];
} {
  if (!hold) return { groups: [], channels: [], complaints: [] };
  const channels = [hold.channel, ...(hold.escalate ?? []).map(({ channel }) => channel)];
  const owner = hold.group === OWNER && names.owners !== undefined;
  const others = groupsNamed(hold);
  const complaints = [
    ...(owner && names.groups.has(OWNER) ? [twoOwners] : []),
    ...(hold.group === OWNER && !names.owners && !names.groups.has(OWNER) ? [noOwners] : []),
    ...(names.owners !== undefined && others.includes(OWNER) ? [ownerElsewhere] : []),
  ];
  return {
    groups: [
      ...(hold.group === OWNER ? ownersNamed(names) : [hold.group]),
      ...others.filter((group) => group !== OWNER || names.owners === undefined),
    ],
    channels: channels.filter((name) => name !== undefined),
    complaints,
  };
}

const ownersNamed = ({ owners }: Known): readonly string[] => (owners ? ownerGroups(owners) : []);

const noOwners: Complaint = {
  message: '@hold("owner") asks who owns it, and there is no owners file',
  hint: 'name one in the configuration: owners: ./owners.yaml',
};
const twoOwners: Complaint = {
  message: '@hold("owner") asks who owns it, and a group is called owner, too',
  hint: 'give the group another name',
};
const ownerElsewhere: Complaint = {
  message: 'owner stands for who owns it in @hold alone',
  hint: 'name a group in @escalate and @hours',
};

/** Who is on call is asked when they decide, not when a statement is judged. */
export const onCallInHead = (id: string): Complaint => ({
  message: `Group::"${id}" can be no principal: a rota says who decides, and gives no rights`,
  hint: `name a group, or write @hold("${ON_CALL}…")`,
});
