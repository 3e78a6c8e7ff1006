import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Database, Sql } from '../store/database.ts';
import { personKey } from './people.ts';

/** An account in chat. `workspace`: Slack's team, Teams' tenant. `user`: Slack's user id, Entra's object id. */
export type ChatAccount = {
  readonly platform: 'slack' | 'teams';
  readonly workspace: string;
  readonly user: string;
};

/** What the platform calls an account and its workspace; for people to recognise it, never to tell who it is. */
export type ChatNames = { readonly name: string; readonly workspaceName: string };

export type LinkedAccount = ChatAccount &
  ChatNames & {
    /** A key. */
    readonly person: string;
    /** `sign-in`: its person linked it; `email`: it had the person's address when it was first used. */
    readonly how: 'sign-in' | 'email';
    /** ISO 8601. */
    readonly linkedAt: string;
  };

/** Which accounts in chat are whose. Every change is a record. */
export interface ChatAccounts {
  find(account: ChatAccount): Promise<LinkedAccount | undefined>;
  /** A person's accounts, oldest first. */
  of(person: string): Promise<readonly LinkedAccount[]>;
  /**
   * An account without a link has this person's address. False when it is somebody's already, or when the person has
   * another account in this workspace: then an address that changed hands makes nobody of it.
   */
  matched(account: ChatAccount & ChatNames, person: string): Promise<boolean>;
  /** False when the account is not this person's. `by` is who wants it, where it is not the person. */
  unlink(account: ChatAccount, person: string, by?: string): Promise<boolean>;
}

const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]+/gu;
const LONGEST_NAME = 80;

/** A name of the platform as it is kept: without what cannot be seen, 80 characters at most. */
export const cleanName = (name: string): string =>
  Array.from(name.replaceAll(UNSEEN, ' ').trim()).slice(0, LONGEST_NAME).join('');

const ID = /^(slack|teams)\.([\w-]{1,100})\.([\w-]{1,100})$/;

/** An account as one word, for addresses and commands. */
export const accountId = ({ platform, workspace, user }: ChatAccount): string =>
  `${platform}.${workspace}.${user}`;

/** The account of such a word; undefined for what is none. */
export function parseAccountId(id: string): ChatAccount | undefined {
  const [, platform, workspace, user] = ID.exec(id) ?? [];
  if (workspace === undefined || user === undefined) return undefined;
  return { platform: platform === 'slack' ? platform : 'teams', workspace, user };
}

/** What a record says of an account. */
export const toldAccount = ({
  platform,
  workspace,
  user,
  name,
}: ChatAccount & ChatNames): JsonObject => ({ platform, workspace, account: user, name });

type Row = {
  readonly platform: ChatAccount['platform'];
  readonly workspace: string;
  readonly account: string;
  readonly person: string;
  readonly how: LinkedAccount['how'];
  readonly name: string;
  readonly workspace_name: string;
  readonly linked_at: Date;
};

/** The transaction found something else than was looked at before. */
class Moved extends Error {}

export function openChatAccounts(
  db: Pick<Database, 'pool'>,
  audit: Pick<AuditLog, 'append'>,
): ChatAccounts {
  return {
    find: (account) => findAccount(db.pool, account),

    async of(person) {
      const { rows } = await db.pool.query<Row>(
        'select * from countersign.chat_account where person = $1 order by linked_at, platform, workspace, account',
        [personKey(person)],
      );
      return rows.map(linkedOf);
    },

    async matched(account, email) {
      const person = personKey(email);
      const { platform, workspace, user, name, workspaceName } = account;
      const body = { action: 'link-chat', how: 'email', ...toldAccount(account) };
      return await changed(() =>
        audit.append({ kind: 'person', person, body }, async (sql) => {
          await lockPerson(sql, person);
          const { rowCount } = await sql.query(
            `insert into countersign.chat_account (platform, workspace, account, person, how, name, workspace_name)
             select $1, $2, $3, $4, 'email', $5, $6 where not exists (select from countersign.chat_account
               where platform = $1 and workspace = $2 and person = $4)
             on conflict do nothing`,
            [platform, workspace, user, person, cleanName(name), cleanName(workspaceName)],
          );
          if (rowCount !== 1) throw new Moved();
        }),
      );
    },

    async unlink(account, email, by) {
      const person = personKey(email);
      const found = await findAccount(db.pool, account);
      if (found?.person !== person) return false;
      const body = {
        action: 'unlink-chat',
        ...toldAccount(found),
        ...(by !== undefined && { by: personKey(by) }),
      };
      return await changed(() =>
        audit.append({ kind: 'person', person, body }, async (sql) => {
          const { rowCount } = await sql.query(
            `delete from countersign.chat_account where platform = $1 and workspace = $2 and account = $3 and person = $4`,
            [account.platform, account.workspace, account.user, person],
          );
          if (rowCount !== 1) throw new Moved();
        }),
      );
    },
  };
}

/** False when somebody else was faster; nothing was recorded then. */
async function changed(change: () => Promise<unknown>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (error) {
    if (error instanceof Moved) return false;
    throw error;
  }
}

/**
 * One link of a person after the other, and none while everything of them ends: what ends a person locks the same.
 */
export async function lockPerson(sql: Sql, person: string): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtext('countersign chat ' || $1))`, [person]);
}

export async function findAccount(
  sql: Sql,
  { platform, workspace, user }: ChatAccount,
): Promise<LinkedAccount | undefined> {
  const { rows } = await sql.query<Row>(
    'select * from countersign.chat_account where platform = $1 and workspace = $2 and account = $3',
    [platform, workspace, user],
  );
  return rows[0] && linkedOf(rows[0]);
}

const linkedOf = (row: Row): LinkedAccount => ({
  platform: row.platform,
  workspace: row.workspace,
  user: row.account,
  person: row.person,
  how: row.how,
  name: row.name,
  workspaceName: row.workspace_name,
  linkedAt: row.linked_at.toISOString(),
});
