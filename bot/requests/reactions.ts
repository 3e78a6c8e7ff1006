import type { Requests } from '#src/approval/port.ts';
import type { Reaction, Request } from '#src/approval/request.ts';
import type { Talk } from '#src/approval/talk.ts';
import type { Database } from '#src/store/database.ts';
import type { Act, Answer } from '../desk.ts';
import type { BotLog } from '../log.ts';
import type { Platform, Reacted, Ref } from '../platform.ts';
import { wholeCard } from './cards.ts';

export type ReactionParts = {
  readonly db: Database;
  readonly requests: Pick<Requests, 'get' | 'decide'> & Talk;
  readonly platforms: readonly Platform[];
  readonly publicUrl: string;
  readonly log: BotLog;
  /** Names of reactions, as the configuration has them now. */
  readonly meaning: () => { readonly approve: readonly string[]; readonly deny: readonly string[] };
};

/** How far the platform's clock may be from ours. */
const SKEW_MS = 2_000;
const TRIES = 3;
const AGAIN = 'take the reaction away and add it again';

type Card = {
  readonly request: string;
  readonly shown: string | null;
  readonly shownAt: Date | null;
  readonly votes: boolean;
};
type Event = Act & { readonly reaction: string; readonly added: boolean; readonly at: string };

/**
 * Votes by reactions on the stored cards of requests. What an event says is only a hint: the reactions are read again,
 * those that are gone are taken back, and then the one of who acted counts.
 */
export function reactionVotes(parts: ReactionParts) {
  const { requests } = parts;

  const reacted = async (event: Event): Promise<Answer> => {
    const decision = meaningOf(parts, event.reaction);
    const on = decision && (await cardAt(parts, event));
    const request = on && (await requests.get(on.card.request));
    if (!decision || !on || request?.state !== 'pending') return undefined;
    const answer = (tell: string): Answer => ({
      tell,
      link: `${parts.publicUrl}/requests/${request.id}`,
    });
    if (!event.added) {
      await settle(parts, request);
      return undefined;
    }
    const why = unfit(event, request, on);
    if (why !== undefined) return answer(why);
    const given = await reactionsOn(parts, on.platform, on.reaction);
    if (!given)
      return answer('Reactions cannot be read here just now: use the buttons of the card.');
    const { user } = event.actor.account;
    const stands = standing(parts, given, user);
    // Taken away meanwhile, or overruled by a denial, which is told by an event of its own.
    if (stands !== decision) return undefined;
    if (!(await settle(parts, request)))
      return answer('Reactions cannot be read here just now: use the buttons of the card.');
    return await vote(event, { on, decision, answer });
  };

  type Counted = {
    readonly on: On;
    readonly decision: 'approve' | 'deny';
    readonly answer: (tell: string) => Answer;
  };
  const vote = async (event: Event, { on, decision, answer }: Counted): Promise<Answer> => {
    const { account, person } = event.actor;
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const now = await requests.get(on.card.request);
      if (now?.state !== 'pending') return undefined;
      const other = changed(parts, now, on);
      if (other !== undefined) return answer(other);
      // oxlint-disable-next-line no-await-in-loop
      const decided = await requests.decide(now.id, person, {
        decision,
        reason: '',
        via: account.platform,
        version: now.version,
        reaction: on.reaction,
      });
      if (decided.ok) return undefined;
      if (decided.refusal.code !== 'stale') return answer(decided.refusal.message);
    }
    return answer(`Others voted at the same moment: ${AGAIN}.`);
  };

  return { reacted, settle: (request: Request) => settle(parts, request) };
}

type On = {
  readonly card: Card;
  readonly platform: Platform;
  readonly reaction: Reaction;
};

function meaningOf({ meaning }: ReactionParts, name: string): 'approve' | 'deny' | undefined {
  const { approve, deny } = meaning();
  if (deny.includes(name)) return 'deny';
  return approve.includes(name) ? 'approve' : undefined;
}

/** The stored card that this message is; a copy of one says nothing. */
async function cardAt(parts: ReactionParts, { place, actor }: Event): Promise<On | undefined> {
  const { channel, message } = place;
  const { platform: name, user } = actor.account;
  const platform = parts.platforms.find((one) => one.name === name);
  if (!platform || channel === undefined || message === undefined) return undefined;
  const { rows } = await parts.db.pool.query<Card>(
    `select request, shown, shown_at as "shownAt", votes from countersign.post
     where platform = $1 and channel = $2 and ts = $3`,
    [name, channel, message],
  );
  const [card] = rows;
  return card && { card, platform, reaction: { platform: name, channel, message, user } };
}

/** Why a reaction on this card does not count, whoever made it. */
function unfit({ at }: Event, { requirement }: Request, { card }: On): string | undefined {
  if (!requirement.reactionsVote)
    return requirement.reasonRequired
      ? 'The rule asks for a reason, so a reaction does not count: use the buttons of the card.'
      : 'Reactions do not count on this request: use the buttons of the card.';
  if (!card.votes)
    return 'The card does not show all that there is to decide on, so a reaction on it does not count: use its buttons.';
  const since = card.shownAt?.getTime() ?? -Infinity;
  return Date.parse(at) > since + SKEW_MS
    ? undefined
    : `The card changed about when you reacted, so that does not count: read it, then ${AGAIN}.`;
}

/** The card says something else than what there is to decide on now. */
function changed(
  { publicUrl }: ReactionParts,
  request: Request,
  { card, platform }: On,
): string | undefined {
  const now = wholeCard(request, publicUrl, platform);
  return now.votes && now.shown === card.shown
    ? undefined
    : `The request changed since the card was posted, so the reaction does not count: read the card, then ${AGAIN}.`;
}

/** Undefined: they cannot be read, so none counts. */
async function reactionsOn(
  { log }: ReactionParts,
  platform: Platform | undefined,
  ref: Ref,
): Promise<readonly Reacted[] | undefined> {
  try {
    return await platform?.reactions?.(ref);
  } catch (error) {
    log.warn({ err: error, ...ref }, 'the reactions on a card could not be read, so none counts');
    return undefined;
  }
}

/** What this account's reactions on a card say together: whoever denies does not approve. Undefined: nothing. */
function standing(
  parts: ReactionParts,
  given: readonly Reacted[],
  user: string,
): 'approve' | 'deny' | undefined {
  const said = given
    .filter(({ users }) => users.includes(user))
    .map(({ name }) => meaningOf(parts, name));
  if (said.includes('deny')) return 'deny';
  return said.includes('approve') ? 'approve' : undefined;
}

/**
 * Takes back the votes whose reactions are gone, as the platform has them now: their events may be late, or lost. False
 * when it could not be asked.
 */
async function settle(parts: ReactionParts, request: Request): Promise<boolean> {
  const voted = request.decisions.flatMap(({ reaction }) => reaction ?? []);
  for (const reaction of voted) {
    const platform = parts.platforms.find(({ name }) => name === reaction.platform);
    const { channel, message, user } = reaction;
    // oxlint-disable-next-line no-await-in-loop -- a few people at most
    const given = await reactionsOn(parts, platform, { channel, message });
    if (!given) return false;
    if (standing(parts, given, user) === 'approve') continue;
    // oxlint-disable-next-line no-await-in-loop
    await parts.requests.retract(request.id, reaction);
  }
  return true;
}
