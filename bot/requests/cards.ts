import type { Request } from '#src/approval/request.ts';
import type { Database } from '#src/store/database.ts';
import { RetryAfter } from '../inbox.ts';
import type { BotLog } from '../log.ts';
import { messageOf, readOf } from '../message.ts';
import type { Post } from '../model.ts';
import { Closed, Refused, type Platform, type Ref } from '../platform.ts';
import { cardPost, STATEMENT_SIZES } from './card.ts';
import { insteadOf, type InsteadParts } from './instead.ts';

export type CardParts = InsteadParts & {
  readonly db: Database;
  readonly platforms: readonly Platform[];
  /** The platform's channel ids that this request's cards go to. */
  readonly channelsOf: (request: Request, platform: Platform['name']) => readonly string[];
  readonly publicUrl: string;
  /** Reactions that the bot puts on cards where they vote. */
  readonly seeds: () => readonly string[];
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
  const deliver = (places: readonly Where[]) =>
    Promise.all(
      places.map(async (where): Promise<Platform | undefined> => {
        try {
          await deliverCard(parts, where);
        } catch (error) {
          if (!isHopeless(parts.log, where, error)) failures.push(error);
          return error instanceof Closed ? where.platform : undefined;
        }
        return undefined;
      }),
    );
  const places = await placesOf(parts, request);
  const closed = await deliver(places);
  // Who decides sees it all the same; the channel gets its card when it is open again.
  if (request.state === 'pending')
    for (const platform of new Set(closed.filter((one) => one !== undefined))) {
      if (places.some((one) => one.platform === platform && one.instead)) continue;
      // oxlint-disable-next-line no-await-in-loop -- two platforms at most
      const channels = await insteadOf(parts, request, platform);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await deliver(channels.map((channel) => ({ request, platform, channel })));
    }
  const late = failures.find((error) => error instanceof RetryAfter);
  if (late) throw late;
  if (failures.length > 0) throw failures[0];
}

/** The channels of its rule, and wherever else its card stands already. */
async function placesOf(
  parts: CardParts,
  request: Request,
): Promise<readonly (Where & { readonly instead: boolean })[]> {
  const { rows } = await parts.db.pool.query<{ platform: string; channel: string }>(
    'select platform, channel from countersign.post where request = $1 and ts is not null',
    [request.id],
  );
  return parts.platforms.flatMap((platform) => {
    const own = rows.filter((row) => row.platform === platform.name).map((row) => row.channel);
    const named = new Set(parts.channelsOf(request, platform.name));
    const channels = new Set([...named, ...own]);
    return [...channels].map((channel) => ({
      request,
      platform,
      channel,
      instead: !named.has(channel),
    }));
  });
}

async function deliverCard(parts: CardParts, where: Where): Promise<void> {
  const { db, publicUrl } = parts;
  const { request, platform, channel } = where;
  const stored = await openPost(db, where);
  if (stored.message !== null && stored.version >= request.version) return;
  const card = wholeCard(request, publicUrl, platform);
  // A row without a message is an attempt whose reply never came: the card may be there already.
  const ref =
    stored.message === null
      ? stored.fresh
        ? undefined
        : await platform.find(channel, request.id, request.createdAt)
      : { channel, message: stored.message };
  if (ref) {
    if (await platform.update(ref, card.post))
      return await storePost(db, where, ref.message, { ...card, fresh: false });
    // Somebody deleted the card; whoever still has to decide gets a new one.
    if (request.state !== 'pending') return;
  }
  const posted = await platform.post(channel, card.post, { key: request.id });
  await storePost(db, where, posted.message, { ...card, fresh: true });
  if (card.votes) await seed(parts, platform, posted);
}

/** So that people need not look for them. Where the platform does not let us, they do. */
async function seed({ seeds, log }: CardParts, platform: Platform, ref: Ref): Promise<void> {
  for (const name of seeds())
    // oxlint-disable-next-line no-await-in-loop -- they stand in this order
    await platform.react?.(ref, name).catch((error: unknown) => {
      const why = error instanceof Refused ? error.code : error;
      log.info({ why, reaction: name }, 'a card was not given a reaction to start with');
    });
}

export type CardFor = {
  readonly post: Post;
  /** Digest of what an approver reads on it. */
  readonly shown: string;
  /** Reactions on it may vote: it is whole, and nothing else is asked for. */
  readonly votes: boolean;
};

type Takes = Pick<Platform, 'fits' | 'name' | 'reactions'>;

/** The whole card, with as much of the statement as fits; the card itself says how much does not. */
export const cardFor = (request: Request, publicUrl: string, platform: Takes): Post =>
  wholeCard(request, publicUrl, platform).post;

/** The same, with what it says to whoever reacts on it. */
export function wholeCard(
  request: Request,
  publicUrl: string,
  { fits, name, reactions }: Takes,
): CardFor {
  for (const max of STATEMENT_SIZES) {
    const message = messageOf(request, publicUrl, max);
    const votes = reactions !== undefined && message.asks?.reactions === true;
    const post = cardPost(message, votes);
    if (fits(post)) return { post, shown: readOf(message), votes };
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
  { shown, votes, fresh }: CardFor & { readonly fresh: boolean },
): Promise<void> {
  await db.pool.query(
    // Whoever reacted before this moment may have read what stood there before.
    `update countersign.post set ts = $4, version = greatest(version, $5), shown = $6, votes = $7,
       shown_at = case when ts = $4 and shown is not distinct from $6 then shown_at
         when $8 then null else clock_timestamp() end
       where request = $1 and platform = $2 and channel = $3`,
    [request.id, platform.name, channel, message, request.version, shown, votes, fresh],
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
