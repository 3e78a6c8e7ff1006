import type { Request } from '#src/approval/request.ts';
import type { Database } from '#src/store/database.ts';
import { RetryAfter } from '../inbox.ts';
import type { BotLog } from '../log.ts';
import { messageOf } from '../message.ts';
import type { Post } from '../model.ts';
import { Refused, type Platform } from '../platform.ts';
import { cardPost, STATEMENT_SIZES } from './card.ts';

export type CardParts = {
  readonly db: Database;
  readonly platforms: readonly Platform[];
  /** The platform's channel ids that this request's cards go to. */
  readonly channelsOf: (request: Request, platform: Platform['name']) => readonly string[];
  readonly publicUrl: string;
  readonly log: BotLog;
};

type Stored = {
  readonly message: string | null;
  readonly version: number;
  readonly fresh: boolean;
};
type Where = { readonly request: Request; readonly platform: Platform; readonly channel: string };

/**
 * Brings the request's card in each of its channels, on every platform, up to its version: posts it once, then edits it
 * in place. Rejects when some channel has to be tried again; `RetryAfter` when a platform says when.
 */
export async function deliverCards(parts: CardParts, request: Request): Promise<void> {
  const failures: unknown[] = [];
  const places = parts.platforms.flatMap((platform) =>
    parts.channelsOf(request, platform.name).map((channel) => ({ request, platform, channel })),
  );
  await Promise.all(
    places.map((where) =>
      deliverCard(parts, where).catch((error: unknown) => {
        if (!isHopeless(parts.log, where, error)) failures.push(error);
      }),
    ),
  );
  const late = failures.find((error) => error instanceof RetryAfter);
  if (late) throw late;
  if (failures.length > 0) throw failures[0];
}

async function deliverCard({ db, publicUrl }: CardParts, where: Where): Promise<void> {
  const { request, platform, channel } = where;
  const stored = await openPost(db, where);
  if (stored.message !== null && stored.version >= request.version) return;
  const card = cardFor(request, publicUrl, platform);
  // A row without a message is an attempt whose reply never came: the card may be there already.
  const ref =
    stored.message === null
      ? stored.fresh
        ? undefined
        : await platform.find(channel, request.id, request.createdAt)
      : { channel, message: stored.message };
  if (ref) {
    if (await platform.update(ref, card)) return await storePost(db, where, ref.message);
    // Somebody deleted the card; whoever still has to decide gets a new one.
    if (request.state !== 'pending') return;
  }
  const { message } = await platform.post(channel, card, { key: request.id });
  await storePost(db, where, message);
}

/** The whole card, with as much of the statement as fits; the card itself says how much does not. */
export function cardFor(
  request: Request,
  publicUrl: string,
  { fits, name }: Pick<Platform, 'fits' | 'name'>,
): Post {
  for (const max of STATEMENT_SIZES) {
    const card = cardPost(messageOf(request, publicUrl, max));
    if (fits(card)) return card;
  }
  throw new Error(
    `the card of request ${request.id} is too long for ${name} without its statement`,
  );
}

/**
 * Whether this message is the stored card of the request: `unknown` while no message is stored for this channel, since
 * a platform shows a card before we know its id.
 */
export async function isCardOf(
  db: Database,
  platform: Platform['name'],
  request: string,
  { channel, message }: { readonly channel?: string; readonly message?: string },
): Promise<'card' | 'copy' | 'unknown'> {
  const { rows } = await db.pool.query<{ ts: string | null }>(
    'select ts from countersign.post where request = $1 and platform = $2 and channel = $3',
    [request, platform, channel],
  );
  const [post] = rows;
  if (!post) return 'copy';
  if (post.ts === null) return 'unknown';
  return post.ts === message ? 'card' : 'copy';
}

async function openPost(db: Database, { request, platform, channel }: Where): Promise<Stored> {
  const made = await db.pool.query(
    `insert into countersign.post (request, platform, channel) values ($1, $2, $3) on conflict do nothing`,
    [request.id, platform.name, channel],
  );
  const { rows } = await db.pool.query<{ ts: string | null; version: number }>(
    `select ts, version from countersign.post where request = $1 and platform = $2 and channel = $3`,
    [request.id, platform.name, channel],
  );
  return {
    message: rows[0]?.ts ?? null,
    version: rows[0]?.version ?? 0,
    fresh: made.rowCount === 1,
  };
}

async function storePost(
  db: Database,
  { request, platform, channel }: Where,
  message: string,
): Promise<void> {
  await db.pool.query(
    `update countersign.post set ts = $4, version = greatest(version, $5)
       where request = $1 and platform = $2 and channel = $3`,
    [request.id, platform.name, channel, message, request.version],
  );
}

/** The platform said no. While somebody can still decide it is tried again; afterwards the card is left as it is. */
function isHopeless(log: BotLog, { request, platform, channel }: Where, error: unknown): boolean {
  if (!(error instanceof Refused)) return false;
  log.warn(
    { request: request.id, channel, [platform.name]: error.code },
    `${platform.name === 'slack' ? 'Slack' : 'Teams'} refused a card: see that the bot is installed as its manifest says and is in the channel`,
  );
  return !['pending', 'approved', 'running'].includes(request.state);
}
