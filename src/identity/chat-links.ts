import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import type { Database, Sql } from '../store/database.ts';
import {
  type ChatAccount,
  type ChatNames,
  cleanName,
  findAccount,
  lockPerson,
  toldAccount,
} from './chat-accounts.ts';
import { personKey } from './people.ts';
import type { Directory } from './person.ts';
import { secretHash } from './secret.ts';
import type { SignIn } from './sign-ins.ts';

/** An account that wants to be linked, as whoever opens its link is shown it. */
export type ChatLink = ChatAccount &
  ChatNames & {
    readonly id: string;
    /** ISO 8601. */
    readonly createdAt: string;
    readonly expiresAt: string;
    /** The sign-in that was made for it. */
    readonly signIn?: string;
    /** What the account has to say, once its person has confirmed the link. */
    readonly word?: string;
  };

/** What came of what an account said. */
export type Linked = { readonly person: string } | { readonly refused: string };

/**
 * Links of accounts in chat to people. Whoever opens a link signs in anew, sees which account it is for, and confirms;
 * then they are shown a word that the account itself has to say. A link that is sent on is worth nothing by that: who
 * confirms it sees the word, and who has the account does not. A word the other way, shown in chat and typed into the
 * page, could be sent on together with the link.
 */
export interface ChatLinks {
  /** The code of a new link for this account: 256 bits, ten minutes, stored hashed. */
  issue(account: ChatAccount & ChatNames): Promise<string>;
  /** A link that waits; undefined when it was used, has ended, or never was. */
  find(code: string): Promise<ChatLink | undefined>;
  /** A fresh sign-in was made for this link. */
  signedIn(id: string, signIn: SignIn): Promise<void>;
  /** The word to say in chat; undefined when the link waits no longer, or another sign-in has confirmed it. Recorded. */
  confirm(id: string, by: Pick<SignIn, 'id' | 'person'>): Promise<string | undefined>;
  /** The account says a word. Only the right one, of a link of this very account, links it. Recorded, also a wrong one. */
  say(account: ChatAccount, word: string): Promise<Linked>;
}

/** Consonants make no words and have no look-alikes (RFC 8628 section 6.1). Six are 26 bits, for five tries. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const TRIES = 5;
/** Of one account at a time: each message that it writes to us brings another. */
const MOST_OPEN = 5;
const CODE = /^[\w-]{43}$/;
const AGAIN =
  'No link of this account waits for that word: it is mistyped, used, or older than ten minutes. Begin anew, and open the new link yourself.';

type Row = {
  readonly id: string;
  readonly platform: ChatAccount['platform'];
  readonly workspace: string;
  readonly account: string;
  readonly name: string;
  readonly workspace_name: string;
  readonly sign_in: string | null;
  readonly person: string | null;
  readonly word: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
};

const WAITS = `state in ('open', 'confirmed') and tries < ${TRIES} and expires_at > clock_timestamp()`;

type Parts = {
  readonly db: Database;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly directory: Directory;
};

class NotLinked extends Error {}

export function openChatLinks(parts: Parts): ChatLinks {
  const { db, audit } = parts;
  return {
    async issue(account) {
      const { platform, workspace, user, name, workspaceName } = account;
      const code = randomBytes(32).toString('base64url');
      await db.transaction(async (sql) => {
        await sql.query(
          `delete from countersign.chat_link where expires_at < clock_timestamp() - interval '1 hour'
             or id in (select id from countersign.chat_link where platform = $1 and workspace = $2 and account = $3
               and state = 'open' order by created_at desc offset ${MOST_OPEN - 1})`,
          [platform, workspace, user],
        );
        await sql.query(
          `insert into countersign.chat_link (id, code_sha256, platform, workspace, account, name, workspace_name, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + interval '10 minutes')`,
          [
            randomUUID(),
            secretHash(code),
            platform,
            workspace,
            user,
            cleanName(name),
            cleanName(workspaceName),
          ],
        );
      });
      return code;
    },

    async find(code) {
      if (!CODE.test(code)) return undefined;
      const { rows } = await db.pool.query<Row>(
        `select * from countersign.chat_link where code_sha256 = $1 and ${WAITS}`,
        [secretHash(code)],
      );
      return rows[0] && linkOf(rows[0]);
    },

    async signedIn(id, signIn) {
      await db.pool.query(
        `update countersign.chat_link set sign_in = $2 where id = $1 and state = 'open' and ${WAITS}`,
        [id, signIn.id],
      );
    },

    async confirm(id, by) {
      const person = personKey(by.person);
      const word = Array.from({ length: 6 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
      const { rows } = await db.pool.query<Row>(
        `select * from countersign.chat_link where id = $1 and state = 'open' and sign_in = $2 and ${WAITS}`,
        [id, by.id],
      );
      const [row] = rows;
      if (!row) return undefined;
      const body = { action: 'confirm-chat', ...toldAccount(linkOf(row)), signIn: by.id };
      return await unlessNot(async () => {
        await audit.append({ kind: 'person', person, body }, async (sql) => {
          const { rowCount } = await sql.query(
            `update countersign.chat_link set state = 'confirmed', person = $3, word = $4
             where id = $1 and state = 'open' and sign_in = $2 and ${WAITS}`,
            [id, by.id, person, word],
          );
          if (rowCount !== 1) throw new NotLinked();
        });
        return shown(word);
      });
    },

    async say(account, typed) {
      const word = typed.toUpperCase().replaceAll(/[^A-Z]/gu, '');
      const row = await tryWord(parts, account, word);
      if (!row?.person) return { refused: AGAIN };
      const { person } = row;
      const found = await parts.directory.find(person);
      if (!found || found.machine)
        return { refused: 'Only people whom Countersign knows can be linked.' };
      const now = await findAccount(db.pool, account);
      if (now && now.person !== person && now.how === 'sign-in' && (await knows(parts, now.person)))
        return {
          refused: 'This account is linked to somebody else. They have to unlink it first.',
        };
      const body = {
        action: 'link-chat',
        how: 'sign-in',
        ...toldAccount(linkOf(row)),
        signIn: row.sign_in,
        ...(now && now.person !== person && { before: now.person }),
      };
      const done = await unlessNot(async () => {
        await audit.append({ kind: 'person', person, body }, async (sql) =>
          link(sql, row, now?.person),
        );
        return { person };
      });
      return done ?? { refused: AGAIN };
    },
  };
}

const knows = async ({ directory }: Parts, person: string): Promise<boolean> =>
  (await directory.find(person)) !== undefined;

async function unlessNot<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NotLinked) return undefined;
    throw error;
  }
}

/** Each try counts before it is looked at, so that many at once do not slip through. There is nothing to guess before a person has confirmed. */
async function tryWord(
  { db, audit }: Parts,
  { platform, workspace, user }: ChatAccount,
  word: string,
): Promise<Row | undefined> {
  const { rows } = await db.pool.query<Row>(
    `update countersign.chat_link set tries = tries + 1 where platform = $1 and workspace = $2 and account = $3
       and state = 'confirmed' and ${WAITS} returning *`,
    [platform, workspace, user],
  );
  const right = rows.find((row) => row.word === word);
  for (const row of right ? [] : rows)
    // oxlint-disable-next-line no-await-in-loop -- one as a rule
    await audit.append({
      kind: 'person',
      ...(row.person !== null && { person: row.person }),
      body: { action: 'wrong-chat-word', ...toldAccount(linkOf(row)) },
    });
  return right;
}

/** All in the record's transaction: the link is used once, its sign-in and its person stand, and nobody was faster. */
async function link(sql: Sql, row: Row, before: string | undefined): Promise<void> {
  const { id, platform, workspace, account, person, name, workspace_name: workspaceName } = row;
  // In the order in which the end of everything locks.
  const stands = await sql.query(
    `select from countersign.sign_in s where s.id = $1 and s.person = $2 and s.ended_at is null
       and s.ends_at > clock_timestamp() and not exists (select from countersign.person p
         where p.email = s.person and p.state <> 'active') for share of s`,
    [row.sign_in, person],
  );
  await lockPerson(sql, person ?? '');
  const used = await sql.query(
    `update countersign.chat_link set state = 'used' where id = $1 and state = 'confirmed'
       and expires_at > clock_timestamp()`,
    [id],
  );
  const linked = await sql.query(
    `insert into countersign.chat_account as a (platform, workspace, account, person, how, name, workspace_name)
     values ($1, $2, $3, $4, 'sign-in', $5, $6)
     on conflict (platform, workspace, account) do update set person = excluded.person, how = excluded.how,
       name = excluded.name, workspace_name = excluded.workspace_name, linked_at = clock_timestamp()
     where a.person = $7`,
    [platform, workspace, account, person, name, workspaceName, before ?? null],
  );
  const once = [used, stands, linked].every(({ rowCount }) => rowCount === 1);
  if (!once) throw new NotLinked();
  await sql.query(
    `update countersign.chat_link set state = 'ended' where platform = $1 and workspace = $2 and account = $3
       and state in ('open', 'confirmed')`,
    [platform, workspace, account],
  );
}

/** `BCDFGH` as `BCD-FGH`. */
const shown = (word: string): string => `${word.slice(0, 3)}-${word.slice(3)}`;

const linkOf = (row: Row): ChatLink => ({
  id: row.id,
  platform: row.platform,
  workspace: row.workspace,
  user: row.account,
  name: row.name,
  workspaceName: row.workspace_name,
  createdAt: row.created_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  ...(row.sign_in !== null && { signIn: row.sign_in }),
  ...(row.word !== null && { word: shown(row.word) }),
});
