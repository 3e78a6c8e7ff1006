import { webApi } from '@slack/bolt';
import { z } from 'zod';
import type { Request } from '#src/approval/request.ts';
import type { Database } from '#src/store/database.ts';
import { RetryAfter } from '../inbox.ts';
import type { BotLog } from '../log.ts';
import { messageOf } from '../message.ts';
import { type SlackCard, slackCard } from './card.ts';
import { platformError } from './client.ts';

/** Slack refuses about 13,200 characters of blocks (bolt-js#2509) without documenting it. */
const BLOCKS_MAX = 12_000;
const STATEMENT_SIZES = [3_000, 1_500, 500, 0];
const EVENT = 'countersign_request';

export type PostsParts = {
  readonly db: Database;
  readonly client: webApi.WebClient;
  /** Slack channel ids that this request's cards go to. */
  readonly channelsOf: (request: Request) => readonly string[];
  readonly publicUrl: string;
  readonly log: BotLog;
};

type Post = { readonly ts: string | null; readonly version: number; readonly fresh: boolean };

const History = z.object({
  messages: z.array(
    z.object({
      ts: z.string(),
      metadata: z.object({ event_type: z.string(), event_payload: z.unknown() }).optional(),
    }),
  ),
});

/**
 * Brings the request's card in each of its channels up to its version: posts it once, then edits it in place.
 * Rejects when some channel has to be tried again; `RetryAfter` when Slack says when.
 */
export async function deliverCards(parts: PostsParts, request: Request): Promise<void> {
  const failures: unknown[] = [];
  for (const channel of parts.channelsOf(request))
    await deliverCard(parts, request, channel).catch((error: unknown) => {
      if (!isHopeless(parts.log, request, channel, error)) failures.push(error);
    });
  const late = failures.find((error) => error instanceof webApi.WebAPIRateLimitedError);
  if (late) throw new RetryAfter(late.retryAfter * 1_000, late);
  if (failures.length > 0) throw failures[0];
}

async function deliverCard(parts: PostsParts, request: Request, channel: string): Promise<void> {
  const { db, client } = parts;
  const post = await openPost(db, request.id, channel);
  if (post.ts !== null && post.version >= request.version) return;
  const card = cardOf(request, parts.publicUrl);
  // A row without a message is an attempt whose reply never came: the card may be there already.
  const ts = post.ts ?? (post.fresh ? undefined : await findCard(client, request, channel));
  if (ts !== undefined) {
    const gone = await client.chat.update({ channel, ts, ...card }).then(
      () => false,
      (error: unknown) => {
        if (platformError(error) === 'message_not_found') return true;
        throw error;
      },
    );
    if (!gone) return await storePost(db, request, channel, ts);
    // Somebody deleted the card; whoever still has to decide gets a new one.
    if (request.state !== 'pending') return;
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
  const posted = await client.chat.postMessage({
    channel,
    ...card,
    metadata: { event_type: EVENT, event_payload: { request: request.id } },
    unfurl_links: false,
    unfurl_media: false,
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
  });
  if (posted.ts === undefined) throw new Error('Slack took the card and gave no ts for it');
  await storePost(db, request, channel, posted.ts);
}

/** The whole card, with as much of the statement as fits; the card itself says how much does not. */
export function cardOf(request: Request, publicUrl: string): SlackCard {
  for (const max of STATEMENT_SIZES) {
    const card = slackCard(messageOf(request, publicUrl, max));
    if (JSON.stringify(card.blocks).length <= BLOCKS_MAX) return card;
  }
  throw new Error(`the card of request ${request.id} is too long for Slack without its statement`);
}

/**
 * Whether this message is the stored card of the request: `unknown` while no message is stored for this channel, since
 * Slack shows a card before we know its ts.
 */
export async function isCardOf(
  db: Database,
  request: string,
  channel: string,
  ts: string,
): Promise<'card' | 'copy' | 'unknown'> {
  const { rows } = await db.pool.query<{ ts: string | null }>(
    "select ts from countersign.post where request = $1 and platform = 'slack' and channel = $2",
    [request, channel],
  );
  const [post] = rows;
  if (!post) return 'copy';
  if (post.ts === null) return 'unknown';
  return post.ts === ts ? 'card' : 'copy';
}

async function openPost(db: Database, request: string, channel: string): Promise<Post> {
  const made = await db.pool.query(
    `insert into countersign.post (request, platform, channel) values ($1, 'slack', $2) on conflict do nothing`,
    [request, channel],
  );
  const { rows } = await db.pool.query<{ ts: string | null; version: number }>(
    `select ts, version from countersign.post where request = $1 and platform = 'slack' and channel = $2`,
    [request, channel],
  );
  return { ts: rows[0]?.ts ?? null, version: rows[0]?.version ?? 0, fresh: made.rowCount === 1 };
}

async function storePost(
  db: Database,
  request: Request,
  channel: string,
  ts: string,
): Promise<void> {
  await db.pool.query(
    `update countersign.post set ts = $3, version = greatest(version, $4)
       where request = $1 and platform = 'slack' and channel = $2`,
    [request.id, channel, ts, request.version],
  );
}

/** Looks for a card whose reply was lost. Without the optional history scopes a copy is accepted: it does not act. */
async function findCard(
  client: webApi.WebClient,
  request: Request,
  channel: string,
): Promise<string | undefined> {
  try {
    const oldest = String(Math.floor(Date.parse(request.createdAt) / 1_000) - 60);
    const history = History.parse(
      await client.conversations.history({
        channel,
        oldest,
        include_all_metadata: true,
        limit: 200,
      }),
    );
    const ours = z.object({ request: z.literal(request.id) });
    return history.messages.find(
      ({ metadata }) =>
        metadata?.event_type === EVENT && ours.safeParse(metadata.event_payload).success,
    )?.ts;
  } catch (error) {
    if (platformError(error) === 'missing_scope') return undefined;
    throw error;
  }
}

/** Slack said no. While somebody can still decide it is tried again; afterwards the card is left as it is. */
function isHopeless(log: BotLog, request: Request, channel: string, error: unknown): boolean {
  const said = platformError(error);
  if (said === undefined) return false;
  log.warn(
    { request: request.id, channel, slack: said },
    'Slack refused a card: see that the bot is installed with the scopes of manifest.yml and is in the channel',
  );
  return !['pending', 'approved', 'running'].includes(request.state);
}
