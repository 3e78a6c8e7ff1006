import { type LinkedAccount, parseAccountId } from '#src/identity/chat-accounts.ts';
import type { Person } from '#src/identity/person.ts';
import { personKey } from '#src/identity/people.ts';
import type { PersonState } from '#src/identity/sign-in.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import type { TokenInfo } from '#src/identity/token.ts';
import { demandScope, type Caller } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';
import { notFound } from './problem.ts';
import { apiReader, recordLook, type Via } from './reading.ts';
import { mayAdminister } from './rights.ts';

/** What a person holds that opens something: live sign-ins of the console and live tokens, newest first. */
export type Access = {
  readonly email: string;
  /** As the directory knows them; undefined for who may do nothing now. */
  readonly person?: Person;
  readonly state?: PersonState;
  readonly signIns: readonly SignIn[];
  readonly tokens: readonly TokenInfo[];
  /** Accounts in chat that act for them, oldest first. */
  readonly chatAccounts: readonly LinkedAccount[];
};

const isOwn = (caller: Caller, email: string): boolean =>
  personKey(email) === personKey(caller.person.email);

/** One's own, or for members of `security` anybody's: that is a look. Throws a 404 for who may not see it. */
export async function readAccess(
  deps: HttpDeps,
  caller: Caller,
  via: Via,
  email = caller.person.email,
): Promise<Access> {
  const key = personKey(email);
  if (!isOwn(caller, key)) {
    if (!mayAdminister(caller.person)) throw notFound('person');
    await recordLook(
      deps,
      { ...apiReader(caller), via },
      { looked: 'sign-ins and tokens', of: key },
    );
  }
  const [person, state, signIns, tokens, chatAccounts] = await Promise.all([
    deps.directory.find(key),
    deps.people.state(key),
    deps.signIns.list(key),
    deps.tokens.list(key),
    deps.chat?.accounts.of(key) ?? [],
  ]);
  const now = Date.now();
  return {
    email: key,
    ...(person && { person }),
    ...(state && { state }),
    signIns,
    chatAccounts,
    tokens: tokens.filter(
      ({ revokedAt, expiresAt }) => revokedAt === undefined && Date.parse(expiresAt) > now,
    ),
  };
}

/** What is one's own any person may end, but not an agent of theirs; of others members of `security` with the scope decide. Others see a 404. */
function demandMayEnd(caller: Caller, email: string | undefined, what: string): void {
  if (caller.agent !== undefined) throw notFound(what);
  if (email !== undefined && isOwn(caller, email)) return;
  if (email === undefined || !mayAdminister(caller.person)) throw notFound(what);
  demandScope(caller.scopes, 'decide');
}

const byOf = (caller: Caller, email: string): string | undefined =>
  isOwn(caller, email) ? undefined : caller.person.email;

export async function revokeToken(deps: HttpDeps, caller: Caller, id: string): Promise<void> {
  const found = await deps.tokens.find(id);
  demandMayEnd(caller, found?.person, 'live token');
  if (found) await deps.tokens.revoke(id, byOf(caller, found.person));
}

export async function revokeSignIn(deps: HttpDeps, caller: Caller, id: string): Promise<void> {
  const found = await deps.signIns.get(id);
  demandMayEnd(caller, found?.person, 'live sign-in');
  if (!found) return;
  const by = byOf(caller, found.person);
  await deps.signIns.revoke(id, by === undefined ? 'ended by its person' : 'ended', by);
}

/** What the account does in chat from now on is nobody's. */
export async function unlinkChat(deps: HttpDeps, caller: Caller, id: string): Promise<void> {
  const account = parseAccountId(id);
  const found = account && (await deps.chat?.accounts.find(account));
  demandMayEnd(caller, found?.person, 'chat account');
  if (found) await deps.chat?.accounts.unlink(found, found.person, byOf(caller, found.person));
}

/** Every sign-in of the console; tokens and what they have opened go on. */
export async function signOutEverywhere(
  deps: HttpDeps,
  caller: Caller,
  email: string,
): Promise<void> {
  demandMayEnd(caller, email, 'person');
  const by = byOf(caller, email);
  for (const { id } of await deps.signIns.list(email))
    // oxlint-disable-next-line no-await-in-loop -- a record each, and rarely more than a few
    await deps.signIns.revoke(id, 'signed out everywhere', by);
}

/** Sign-ins, tokens, certificates, and the sessions that were opened with them. */
export async function endAccess(
  deps: HttpDeps,
  caller: Caller,
  email: string,
  reason: string,
): Promise<void> {
  demandMayEnd(caller, email, 'person');
  const by = byOf(caller, email);
  const why = by === undefined ? 'you have ended all your sessions' : 'your access was ended';
  await deps.people.end(email, reason === '' ? why : `${why}: ${reason}`, by);
}

/** An administrator's word on somebody else: nobody keeps themselves out, or lets themselves in again. */
export async function setState(
  deps: HttpDeps,
  caller: Caller,
  email: string,
  state: 'active' | 'deactivated' | 'released',
): Promise<void> {
  if (isOwn(caller, email)) throw notFound('other person');
  demandMayEnd(caller, email, 'person');
  await deps.people.set(email, state, caller.person.email);
}
