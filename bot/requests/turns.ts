import type { Escalated, Request } from '#src/approval/request.ts';
import { timeText } from '#src/policy/words.ts';
import { inThread } from '../access/follow.ts';
import type { Post } from '../model.ts';
import type { Said } from '../say.ts';
import { tell, type TalkParts } from './talk.ts';

/**
 * Tells those whose turn has come: of a later stage, and to whom a request was escalated. Where a rule names a channel
 * for it, the card is there; else each of them is told. The same again changes nothing.
 */
export async function followTurns(parts: TalkParts, request: Request): Promise<void> {
  const { stage = 1, escalated = [] } = request;
  const messages = [
    ...(stage > 1 ? await aboutStage(parts, request, stage) : []),
    ...(await Promise.all(escalated.map((one) => aboutEscalation(parts, request, one)))).flat(),
  ];
  const done = await Promise.allSettled(messages.map((one) => parts.say.say(one)));
  const failed = done.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

async function aboutStage(
  parts: TalkParts,
  request: Request,
  stage: number,
): Promise<readonly Said[]> {
  const turn = request.requirement.groups.filter((asked) => (asked.stage ?? 1) === stage);
  const groups = turn.flatMap(({ group, hours }) => (hours ? [group, hours.outside] : [group]));
  const last = request.decisions.at(-1);
  // A rule's own request that begins with a later stage has nobody before it.
  if (groups.length === 0 || !last) return [];
  const news = {
    key: `turn:${request.id}:${stage}`,
    groups,
    at: last.at,
    post: postOf('It is the turn of others now', groups, ': it is your turn now.'),
  };
  const shown = turn.every(({ channels = [] }) => channels.length > 0);
  return shown ? inThread(parts, request, news) : await tell(parts, request, news);
}

async function aboutEscalation(
  parts: TalkParts,
  request: Request,
  { of, stage, group, afterMs, at, channel }: Escalated,
): Promise<readonly Said[]> {
  const words = `: ${of} has not agreed in ${timeText(afterMs)}, so you may decide as well.`;
  const news = {
    key: `escalated:${request.id}:${stage}:${of}:${group}:${afterMs}`,
    groups: [group],
    at,
    post: postOf('Nobody has decided yet: others may now', [group], words),
  };
  return channel === undefined ? await tell(parts, request, news) : inThread(parts, request, news);
}

function postOf(summary: string, groups: readonly string[], words: string): Post {
  const names = groups.flatMap((group, i) => [
    ...(i === 0 ? [] : [' and ']),
    { text: group, notify: group },
  ]);
  return { summary, parts: [{ kind: 'text', line: [...names, words] }] };
}
