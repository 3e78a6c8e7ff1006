import type { ChatAccounts, ChatNames, LinkedAccount } from '#src/identity/chat-accounts.ts';
import type { ChatLinks, Linked } from '#src/identity/chat-links.ts';
import type { Directory, Person } from '#src/identity/person.ts';
import type { Account, Actor } from './desk.ts';
import { Kept } from './kept.ts';

/** Who an account in chat is, and where a person is reached. */
export interface ChatPeople {
  /**
   * Who may act with this account at this moment. `unlinked`: nobody yet; it is the link where they sign in once to say
   * who they are (for their eyes only). Rejects when the directory or the platform cannot be asked: then nothing is done.
   * `said` is the text of a command, or of a message to the bot: `link BCD-FGH` ends the linking of an account, and the
   * answer (`refused`) says what came of it.
   */
  actor(
    account: Account,
    said?: string,
  ): Promise<
    { readonly actor: Actor } | { readonly refused: string } | { readonly unlinked: string }
  >;
  /** The accounts of a person, on every platform; none: chat cannot reach them. */
  accounts(email: string): Promise<readonly Account[]>;
  /** The platform tells that something about this account changed: it is asked anew before the next act. */
  forgetUser(account: Pick<Account, 'platform' | 'user'>): void;
}

/** What a platform says of one of its users at this moment. */
export type ChatUser = ChatNames & {
  /** With the workspace that the user belongs to, whatever the event said. */
  readonly account: Account;
  /** Confirmed by the platform; absent where it gives none. */
  readonly email?: string;
};

type Asked = ChatUser | { readonly refused: string };

/** Slack, or Teams: who its users are. */
export interface ChatUsers {
  readonly platform: Account['platform'];
  /**
   * `refused`: why nobody may act with it: a bot, deactivated, a guest, of a workspace that is not configured. Rejects
   * when the platform cannot be asked.
   */
  user(account: Account): Promise<Asked>;
  /** Accounts with this address that `user` would not refuse, in workspaces that match e-mail addresses; else none. */
  byEmail(email: string): Promise<readonly Account[]>;
  /** Whether the operator says that an account of this workspace is the person with its e-mail address. */
  matchesEmail(workspace: string): boolean;
}

export type PeopleParts = {
  readonly platforms: readonly ChatUsers[];
  readonly accounts: ChatAccounts;
  readonly links: ChatLinks;
  readonly directory: Directory;
  readonly publicUrl: string;
  /** For tests: milliseconds that only rise. */
  readonly now?: () => number;
};

/** What the platform said of a linked account counts this long; what it said of an e-mail address never does. */
const USER_MS = 60_000;
/** Where messages to people go who are known by their address only. */
const FOUND_MS = 600_000;
const MOST = 10_000;
const WORD = /^\s*link\s+([a-z]{3}[\s-]*[a-z]{3})\s*$/iu;

/** Everybody in chat: an account is whom it is linked to, or where the operator says so, who has its e-mail address. */
export function peopleOf(parts: PeopleParts): ChatPeople {
  const { accounts, links, directory, publicUrl, now = () => performance.now() } = parts;
  const users = new Kept<ChatUser>(USER_MS, { most: MOST, now });
  const found = new Kept<readonly Account[]>(FOUND_MS, { most: MOST, now });

  const platform = (name: Account['platform']): ChatUsers => {
    const one = parts.platforms.find((each) => each.platform === name);
    if (!one) throw new Error(`${name} is not configured`);
    return one;
  };
  const ask = async (account: Account): Promise<Asked> => {
    const user = await platform(account.platform).user(account);
    if ('refused' in user) users.delete(keyOf(account));
    else users.set(keyOf(account), user);
    return user;
  };
  /** Whose address it has at this moment: whom it had when it was first used, or who has no account here yet. */
  const byAddress = async (
    user: ChatUser,
    linked: LinkedAccount | undefined,
  ): Promise<Person | undefined> => {
    const { email, account, name, workspaceName } = user;
    const person = email === undefined ? undefined : await directory.find(email);
    if (!person || !isSameAddress(email, person.email)) return undefined;
    if (person.machine) return person;
    if (linked) return linked.person === person.email ? person : undefined;
    const matched = await accounts.matched({ ...account, name, workspaceName }, person.email);
    // Else another act of the same account may have been faster.
    const isTheirs = matched || (await accounts.find(account))?.person === person.email;
    return isTheirs ? person : undefined;
  };
  const personOf = async (user: ChatUser, isFresh: boolean): Promise<Person | undefined> => {
    const { account } = user;
    const linked = await accounts.find(account);
    if (linked?.how === 'sign-in') return await directory.find(linked.person);
    if (!platform(account.platform).matchesEmail(account.workspace)) return undefined;
    const fresh = isFresh ? user : await ask(account);
    return 'refused' in fresh ? undefined : await byAddress(fresh, linked);
  };

  return {
    async actor(asked, said = '') {
      const before = users.get(keyOf(asked));
      const user = before ?? (await ask(asked));
      if ('refused' in user) return user;
      const { account, name, workspaceName } = user;
      const person = await personOf(user, before === undefined);
      const word = WORD.exec(said)?.[1];
      if (person?.machine) return { refused: 'People act in chat, not machines.' };
      if (person && word !== undefined)
        return { refused: `This account is linked already: you are ${person.email} here.` };
      if (person) return { actor: { account, person } };
      if (word !== undefined) return { refused: answerTo(await links.say(account, word)) };
      const code = await links.issue({ ...account, name, workspaceName });
      return { unlinked: `${publicUrl}/chat/link/${code}` };
    },

    async accounts(email) {
      const person = await directory.find(email);
      if (!person) return [];
      const own = await accounts.of(person.email);
      const linked = own.filter(({ how }) => how === 'sign-in').map(accountOf);
      const others: Account[] = [];
      for (const one of await byEmail(person)) {
        // oxlint-disable-next-line no-await-in-loop -- one on each platform
        const taken = await accounts.find(one);
        const theirs = !taken || (taken.person === person.email && taken.how === 'email');
        // Who has another account there is written to at that one.
        const other = own.some((row) => isInOneWorkspace(row, one) && row.user !== one.user);
        if (theirs && !other) others.push(one);
      }
      return [...linked, ...others];
    },

    forgetUser({ platform: name, user }) {
      for (const key of users.keys()) if (key.startsWith(`${name} ${user} `)) users.delete(key);
      for (const key of found.keys()) found.delete(key);
    },
  };

  async function byEmail({ email }: Person): Promise<readonly Account[]> {
    const before = found.get(email);
    if (before) return before;
    const lists = await Promise.all(parts.platforms.map((each) => each.byEmail(email)));
    found.set(email, lists.flat());
    return lists.flat();
  }
}

const keyOf = ({ platform, workspace, user }: Account): string =>
  `${platform} ${user} ${workspace}`;

const accountOf = ({ platform, workspace, user }: Account): Account => ({
  platform,
  workspace,
  user,
});

const isInOneWorkspace = (a: Account, b: Account): boolean =>
  a.platform === b.platform && a.workspace === b.workspace;

/** The Kelvin sign is a small k in lower case, but nobody's k: what differs in upper case is another address. */
const isSameAddress = (email: string | undefined, own: string): boolean =>
  email?.toUpperCase() === own.toUpperCase();

const answerTo = (linked: Linked): string =>
  'refused' in linked
    ? linked.refused
    : `Done: in chat this account is ${linked.person} from now on. Its person can unlink it in the console, under Your account.`;
