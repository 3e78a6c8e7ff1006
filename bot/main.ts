import { channelsAsked } from '#src/approval/asked.ts';
import type { Requests } from '#src/approval/port.ts';
import type { Queue } from '#src/approval/queue.ts';
import type { Talk } from '#src/approval/talk.ts';
import type { AuditLog } from '#src/audit/log.ts';
import type { Address, Config } from '#src/config/config.ts';
import { openChatAccounts } from '#src/identity/chat-accounts.ts';
import { openChatLinks } from '#src/identity/chat-links.ts';
import type { Directory } from '#src/identity/person.ts';
import type { Database } from '#src/store/database.ts';
import type { Tracing } from '#src/telemetry/tracing.ts';
import { startChatAnchors } from './anchors.ts';
import { startAlerts } from './alerts.ts';
import { startInbox } from './inbox.ts';
import type { BotLog } from './log.ts';
import { peopleOf } from './people.ts';
import type { Platform } from './platform.ts';
import { accessDesk } from './access/desk.ts';
import { startAccessClock } from './access/clock.ts';
import { followAccess } from './access/follow.ts';
import { type Desk, joinDesks } from './desk.ts';
import type { Office } from './office.ts';
import { type CardParts, deliverCards } from './requests/cards.ts';
import { requestsDesk } from './requests/desk.ts';
import { followTurns } from './requests/turns.ts';
import { followTalk } from './requests/talk.ts';
import { startReviewingClock } from './reviewing/clock.ts';
import { reviewingDesk } from './reviewing/desk.ts';
import { type Say, startSay } from './say.ts';
import { Problems } from './problems.ts';
import type { Framework } from './teams/framework.ts';
import { openTeams } from './teams/app.ts';
import type { Listening, Side } from './side.ts';

export type BotParts = {
  readonly config: Pick<Config, 'chat' | 'publicUrl' | 'targets' | 'audit'>;
  readonly requests: Pick<Requests, 'get' | 'decide'> & Talk;
  readonly directory: Directory;
  readonly db: Database;
  /** Records who an account in chat is. */
  readonly audit: Pick<AuditLog, 'append'>;
  readonly queue: Queue;
  readonly log: BotLog;
  /** What the gateway does for people in chat; without it chat only decides. */
  readonly office?: Office;
  readonly tracing?: Tracing;
  /** For tests: other keys than Microsoft's. */
  readonly teams?: Framework;
};

export type Bot = {
  /** Where Slack's calls are taken; absent without Slack, and in Socket Mode. */
  readonly address?: Address;
  /** Where Teams' calls are taken; absent without Teams. */
  readonly teamsAddress?: Address;
  /** What is wrong between us and chat, and what to do; undefined when nothing is. Requests are decided in the console. */
  problem(): string | undefined;
  close(): Promise<void>;
};

/** Starts the chat side. Without chat the outbox is only ticked off: everything is decided in the console. */
export async function startBot(parts: BotParts): Promise<Bot> {
  const { config, log } = parts;
  const problems = new Problems(log);
  const sides = await openSides(parts, problems);
  const onError = (err: Error) => log.warn({ err }, 'a card was not delivered; it is tried again');
  if (sides.length === 0) {
    log.info({}, 'no chat is configured: requests are decided in the console');
    const inbox = await startInbox({ ...parts, onError, deliver: () => Promise.resolve() });
    const anchors = anchorsOf(parts, undefined);
    return {
      problem: () => undefined,
      async close() {
        await anchors.close();
        await inbox.close();
      },
    };
  }
  const { publicUrl } = config;
  const people = peopleOf({
    ...parts,
    platforms: sides.map(({ users }) => users),
    accounts: openChatAccounts(parts.db, parts.audit),
    links: openChatLinks(parts),
    publicUrl,
  });
  const platforms = sides.map(({ platform }) => platform);
  const say = startSay({ ...parts, platforms, people, channels: () => config.chat.channels });
  const channels = channelsOf(config, log);
  const access = parts.office && {
    ...parts,
    office: parts.office.access,
    say,
    platforms,
    channelsOf: channels,
    publicUrl,
  };
  const talk = talkOf(parts, { platforms, say, people, channelsOf: channels });
  const desk: Desk = joinDesks(
    requestsDesk(talk),
    reviewingDesk(parts),
    ...(access ? [accessDesk({ ...access, audit: () => desk.commands?.['audit'] })] : []),
  );
  const listening = new Map<Platform['name'], Listening>();
  for (const side of sides)
    // oxlint-disable-next-line no-await-in-loop -- two at most
    listening.set(side.platform.name, await side.listen(desk, people));
  const inbox = await startInbox({
    ...parts,
    onError(error) {
      onError(error);
      for (const side of sides) side.doubt?.(error);
    },
    async deliver(request) {
      // People are told even where no channel takes the card.
      const [cards] = await Promise.allSettled([deliverCards(talk, request)]);
      const told = await Promise.allSettled([
        access && followAccess(access, request),
        followTalk(talk, request),
        followTurns(talk, request),
      ]);
      for (const one of [cards, ...told]) if (one.status === 'rejected') throw one.reason;
    },
  });
  const clock = access && startAccessClock(access);
  const anchors = anchorsOf(parts, say);
  const alerts = startAlerts({
    ...parts,
    say,
    publicUrl,
    onError: (err) => log.warn({ err }, err.message),
  });
  const reviewing = parts.office?.reviewing;
  const reviewed =
    reviewing && startReviewingClock({ ...parts, office: reviewing, say, publicUrl });
  return {
    ...addressesOf(listening),
    problem: () =>
      [problems.text(), ...sides.map((side) => side.problem?.())]
        .filter((text) => text !== undefined)
        .join('; ') || undefined,
    async close() {
      for (const side of sides) side.close?.();
      await clock?.close();
      await anchors.close();
      await alerts.close();
      await reviewed?.close();
      for (const one of listening.values())
        // oxlint-disable-next-line no-await-in-loop -- two at most
        await one.close();
      await inbox.close();
      await say.close();
    },
  };
}

/** The platforms that are configured. Bolt is loaded only with Slack, botbuilder only with Teams: both are large. */
async function openSides(parts: BotParts, problems: Problems): Promise<readonly Side[]> {
  const { config, teams: framework, ...rest } = parts;
  const { publicUrl } = config;
  const { slack, teams } = config.chat;
  return [
    ...(slack
      ? [
          (await import('./slack/side.ts')).openSlack(slack, {
            ...rest,
            publicUrl,
            problems,
            channels: () => config.chat.channels,
          }),
        ]
      : []),
    ...(teams
      ? [await openTeams(teams, { ...rest, publicUrl, ...(framework && { framework }) })]
      : []),
  ];
}

function addressesOf(
  listening: ReadonlyMap<Platform['name'], Listening>,
): Pick<Bot, 'address' | 'teamsAddress'> {
  const address = listening.get('slack')?.address;
  const teamsAddress = listening.get('teams')?.address;
  return { ...(address && { address }), ...(teamsAddress && { teamsAddress }) };
}

const USUAL = { approve: ['white_check_mark'], deny: ['x'] };

/** What cards of requests need, and what is said about them. */
function talkOf(
  parts: BotParts,
  chat: Pick<CardParts, 'platforms' | 'channelsOf' | 'people'> & { readonly say: Say },
) {
  const { config, office } = parts;
  const meaning = () => config.chat.reactions ?? USUAL;
  return {
    ...parts,
    ...chat,
    publicUrl: config.publicUrl,
    ...(office && { members: office.talk.members }),
    meaning,
    seeds: () => [meaning().approve, meaning().deny].flatMap(([first]) => first ?? []),
  };
}

function anchorsOf({ config, db, log }: BotParts, say: Say | undefined) {
  return startChatAnchors({
    db,
    anchors: config.audit?.anchors ?? [],
    publicUrl: config.publicUrl,
    onError: (err) => log.warn({ err }, 'a checkpoint was not posted; it is tried again'),
    say,
  });
}

/** The channels the holding rules name, else the target's own, as one platform knows them. */
function channelsOf(config: BotParts['config'], log: BotLog): CardParts['channelsOf'] {
  return (request, platform) => {
    const names = channelsAsked(request, config.targets.get(request.card.target)?.channel);
    const idsOn = (one: Platform['name']) =>
      names.flatMap((name) => config.chat.channels.get(name)?.[one] ?? []);
    const { slack, teams } = config.chat;
    if ([...(slack ? idsOn('slack') : []), ...(teams ? idsOn('teams') : [])].length === 0)
      log.warn(
        { request: request.id, channels: names },
        'a request has no channel in chat: name one with @channel or at its target; the console has it',
      );
    return [...new Set(idsOn(platform))];
  };
}
