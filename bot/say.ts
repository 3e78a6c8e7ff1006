import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Sql } from '#src/store/database.ts';
import { RetryAfter } from './inbox.ts';
import type { BotLog } from './log.ts';
import type { Post } from './model.ts';
import { Closed, type Platform, type Ref, Refused } from './platform.ts';
import type { ChatPeople } from './people.ts';

/** A channel by its name in the configuration, one by its id on a platform, or a person, wherever chat reaches them. */
export type To =
  | { readonly channel: string }
  | { readonly platform: Platform['name']; readonly id: string }
  | { readonly person: string };

export type Said = {
  /** What it is about: said again under the same key, it is edited in place; the same post again changes nothing. */
  readonly key: string;
  readonly to: To;
  readonly post: Post;
  /** Key of a message before it, or `request:<id>` of a card: it stands in that one's thread, where there is one. */
  readonly thread?: string;
};

export interface Say {
  /**
   * Takes a message to be delivered, at least once, in the background. Durable when it resolves; `sql` puts it into a
   * transaction. False when chat reaches nobody there.
   */
  say(said: Said, sql?: Sql): Promise<boolean>;
  /** The key of what stands there, for a click on one of our messages; undefined: it is none, or of another kind. */
  keyOf(platform: Platform['name'], ref: Ref): Promise<string | undefined>;
}

export type SayParts = {
  readonly db: Database;
  readonly platforms: readonly Platform[];
  readonly people: ChatPeople;
  readonly channels: () => ReadonlyMap<
    string,
    { readonly slack?: string; readonly teams?: string }
  >;
  readonly log: BotLog;
  readonly everyMs?: number;
};

const EVERY_MS = 1_000;
const BATCH = 20;
const FIRST_MS = 500;
const FORGET_MS = 3_600_000;
/** Nobody changes a message that is as old as this. */
const KEPT = `interval '90 days'`;
const LONGEST_MS = 300_000;
const CLOSED_MS = 86_400_000;

type Row = {
  readonly id: string;
  readonly key: string;
  readonly platform: Platform['name'];
  readonly place: string;
  readonly thread: string | null;
  readonly post: Post;
  readonly version: number;
  readonly channel: string | null;
  readonly message: string | null;
  readonly attempts: number;
  readonly createdAt: Date;
};

/** Delivers what is said: once a second, and at once what this process says. `close` waits for what is under way. */
export function startSay(parts: SayParts): Say & { close(): Promise<void> } {
  const { db, everyMs = EVERY_MS } = parts;
  const stopping = new AbortController();
  let nudge = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      // oxlint-disable no-await-in-loop -- one round after the other
      const more = await round(parts).catch((error: unknown) => {
        parts.log.warn({ err: error }, 'messages to chat were not delivered; they are tried again');
        return false;
      });
      if (more) continue;
      await Promise.race([
        sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined),
        nudge.promise,
      ]);
      nudge = Promise.withResolvers<void>();
      // oxlint-enable no-await-in-loop
    }
  };
  const running = run();
  const forget = setInterval(() => {
    db.pool
      .query(`delete from countersign.chat_message where next_at < clock_timestamp() - ${KEPT}`)
      .catch((error: unknown) => parts.log.warn({ err: error }, 'old messages were not forgotten'));
  }, FORGET_MS).unref();
  return {
    async say({ key, to, post, thread }, sql = db.pool) {
      const places = await placesOf(parts, to);
      for (const { platform, place } of places)
        // oxlint-disable-next-line no-await-in-loop -- an account or two
        await sql.query(
          `insert into countersign.chat_message as m (key, platform, place, thread, post) values ($1, $2, $3, $4, $5)
             on conflict (key, platform, place) do update
             set post = excluded.post, version = m.version + 1, next_at = clock_timestamp(), attempts = 0
             where m.post is distinct from excluded.post`,
          [key, platform, place, thread ?? null, JSON.stringify(post)],
        );
      nudge.resolve();
      return places.length > 0;
    },
    async keyOf(platform, { channel, message }) {
      const { rows } = await db.pool.query<{ key: string }>(
        'select key from countersign.chat_message where platform = $1 and channel = $2 and message = $3',
        [platform, channel, message],
      );
      return rows[0]?.key;
    },
    async close() {
      clearInterval(forget);
      stopping.abort();
      nudge.resolve();
      await running;
    },
  };
}

type Where = { readonly platform: Platform['name']; readonly place: string };

async function placesOf(
  { platforms, people, channels }: SayParts,
  to: To,
): Promise<readonly Where[]> {
  const on = (name: Platform['name']): boolean => platforms.some((one) => one.name === name);
  if ('platform' in to) return on(to.platform) ? [{ platform: to.platform, place: to.id }] : [];
  if ('channel' in to) {
    const ids = channels().get(to.channel);
    return platforms.flatMap(({ name }) => {
      const id = ids?.[name];
      return id === undefined ? [] : [{ platform: name, place: id }];
    });
  }
  const accounts = await people.accounts(to.person);
  return accounts
    .filter(({ platform }) => on(platform))
    .map(({ platform, workspace, user }) => ({ platform, place: `user:${workspace}/${user}` }));
}

/** True when there may be more. */
async function round({ db, platforms, log }: SayParts): Promise<boolean> {
  const { rows } = await db.pool.query<Row>(
    // For a minute: longer than any post, so that a bot that dies only delays it. A thread's first message goes first.
    `update countersign.chat_message m set attempts = attempts + 1, next_at = clock_timestamp() + interval '1 minute'
     where id in (select id from countersign.chat_message where shown < version and given_up is null
       and next_at <= clock_timestamp() and platform = any($1) order by created_at limit ${BATCH} for update skip locked)
     returning id, key, platform, place, thread, post, version, channel, message, attempts, created_at as "createdAt"`,
    [platforms.map(({ name }) => name)],
  );
  for (const row of rows.toSorted((a, b) => Number(a.createdAt) - Number(b.createdAt)))
    // oxlint-disable-next-line no-await-in-loop -- platforms take about one message a second for a channel
    await deliver(db, platforms, row).catch(async (error: unknown) => {
      const refused = isFinal(error, row) ? error.code : undefined;
      log.warn(
        { err: error, key: row.key, place: row.place },
        refused === undefined
          ? 'a message to chat was not delivered; it is tried again'
          : `chat refuses a message (${refused}); it is not tried again`,
      );
      const wait =
        error instanceof RetryAfter
          ? error.ms
          : Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(row.attempts, 20));
      await db.pool.query(
        `update countersign.chat_message set next_at = clock_timestamp() + $2 * interval '1 millisecond', given_up = $3 where id = $1`,
        [row.id, wait, refused ?? null],
      );
    });
  return rows.length === BATCH;
}

/** A closed channel may be open again tomorrow; what waited a day is no news. */
const isFinal = (error: unknown, { createdAt }: Row): error is Refused =>
  error instanceof Refused &&
  (!(error instanceof Closed) || Date.now() - Number(createdAt) > CLOSED_MS);

async function deliver(db: Database, platforms: readonly Platform[], row: Row): Promise<void> {
  const platform = platforms.find(({ name }) => name === row.platform);
  if (!platform) return;
  const ref = await show(db, platform, row);
  await db.pool.query(
    `update countersign.chat_message set shown = greatest(shown, $2), channel = $3, message = $4, attempts = 0,
       next_at = clock_timestamp() where id = $1`,
    [row.id, row.version, ref.channel, ref.message],
  );
}

async function show(db: Database, platform: Platform, row: Row): Promise<Ref> {
  const stands =
    row.message === null || row.channel === null
      ? undefined
      : { channel: row.channel, message: row.message };
  const channel = row.channel ?? (await channelOf(platform, row.place));
  const thread = row.thread === null ? undefined : await threadOf(db, row, channel, row.thread);
  // An attempt whose reply never came may have posted it.
  const found =
    stands ??
    (row.attempts > 1
      ? await platform.find(channel, row.key, row.createdAt.toISOString(), thread)
      : undefined);
  if (found && (await platform.update(found, row.post))) return found;
  return await platform.post(channel, row.post, {
    key: row.key,
    ...(thread !== undefined && { thread }),
  });
}

async function channelOf(platform: Platform, place: string): Promise<string> {
  const [, workspace, user] = /^user:([^/]*)\/(.+)$/.exec(place) ?? [];
  return workspace === undefined || user === undefined
    ? place
    : await platform.direct(workspace, user);
}

/** The message under which it stands; undefined where that one is not in this channel (yet). */
async function threadOf(
  db: Database,
  { platform }: Row,
  channel: string,
  thread: string,
): Promise<string | undefined> {
  const request = thread.startsWith('request:') ? thread.slice('request:'.length) : undefined;
  const { rows } = await db.pool.query<{ message: string | null }>(
    request === undefined
      ? 'select message from countersign.chat_message where key = $1 and platform = $2 and channel = $3'
      : 'select ts as message from countersign.post where request = $1 and platform = $2 and channel = $3',
    [request ?? thread, platform, channel],
  );
  return rows[0]?.message ?? undefined;
}
