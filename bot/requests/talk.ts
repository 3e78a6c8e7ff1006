import type { HandOver, Question, Reminder, Request } from '#src/approval/request.ts';
import { inThread } from '../access/follow.ts';
import type { Part, Post } from '../model.ts';
import type { Platform } from '../platform.ts';
import type { Say, Said } from '../say.ts';
import { oneLine } from '../text.ts';
import { said } from './card.ts';

export type TalkParts = {
  readonly say: Pick<Say, 'say'>;
  readonly platforms: readonly Pick<Platform, 'name'>[];
  readonly channelsOf: (request: Request, platform: Platform['name']) => readonly string[];
  readonly publicUrl: string;
  /** E-mail addresses of who is in one of these groups now, without one. Absent: nobody is told by themselves. */
  readonly members?: (groups: readonly string[], but: string) => Promise<readonly string[]>;
};

/** What is older is no news any more. */
const NEWS_MS = 600_000;
const MOST_TOLD = 50;

/** Key of the message in which somebody is asked a question. */
export const askedKey = (question: string): string => `question-asked:${question}`;

/**
 * Says in chat what was said about a request: under its card, and to whom it is for. The same again changes nothing.
 * Rejects when something has to be said once more.
 */
export async function followTalk(parts: TalkParts, request: Request): Promise<void> {
  const { questions = [], handedOver = [], reminded } = request;
  const messages = [
    ...questions.flatMap((one) => aboutQuestion(parts, request, one)),
    ...(await Promise.all(handedOver.map((one) => aboutHandOver(parts, request, one)))).flat(),
    ...(reminded ? await aboutReminder(parts, request, reminded) : []),
  ];
  const done = await Promise.allSettled(messages.map((one) => parts.say.say(one)));
  const failed = done.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

function aboutQuestion(parts: TalkParts, request: Request, one: Question): readonly Said[] {
  const { id, person, text, answer } = one;
  const { target, person: asked } = request.card;
  const thread = inThread(parts, request, {
    key: `question:${id}`,
    post: {
      summary: `A question about the request on ${oneLine(target)}`,
      parts: [said(`${oneLine(person)} asks`, text)],
    },
  });
  const answered =
    answer &&
    inThread(parts, request, {
      key: `answer:${id}`,
      post: {
        summary: `An answer about the request on ${oneLine(target)}`,
        parts: [said(`${oneLine(asked.name)} answers`, answer.text)],
      },
    });
  const to = { person: asked.email };
  return [
    ...thread,
    ...(answered ?? []),
    { key: askedKey(id), to, post: askedPost(parts, request, one) },
  ];
}

/** To whoever wants it; edited as it goes on. */
function askedPost({ publicUrl }: TalkParts, request: Request, one: Question): Post {
  const open = one.answer === undefined && request.state === 'pending';
  const parts: readonly (Part | undefined)[] = [
    said(`${oneLine(one.person)} asks`, one.text),
    one.answer && said('You answered', one.answer.text),
    open
      ? {
          kind: 'buttons',
          buttons: [
            {
              label: 'Answer…',
              action: 'request-answer',
              value: `${request.id}.${one.id}`,
              style: 'primary',
              opens: 'form',
            },
          ],
        }
      : undefined,
    {
      kind: 'note',
      line: [
        { text: 'Your request in the console', link: `${publicUrl}/requests/${request.id}` },
        ...(open || one.answer ? [] : [`: it is ${request.state}, so no answer is needed.`]),
      ],
    },
  ];
  return {
    summary: `A question about your request on ${oneLine(request.card.target)}`,
    parts: parts.filter((part) => part !== undefined),
  };
}

async function aboutHandOver(
  parts: TalkParts,
  request: Request,
  { group, person, agrees, at }: HandOver,
): Promise<readonly Said[]> {
  const key = `hand-over:${request.id}:${group}`;
  const why = agrees ? 'has to agree as well' : 'is told of it';
  const line = [`${oneLine(person)} hands this over: `, { text: group, notify: group }, ` ${why}.`];
  return await tell(parts, request, {
    key,
    groups: [group],
    at,
    post: { summary: 'A request was handed over', parts: [{ kind: 'text', line }] },
  });
}

async function aboutReminder(
  parts: TalkParts,
  request: Request,
  { id, person, groups, at }: Reminder,
): Promise<readonly Said[]> {
  const names = groups.flatMap((group, i) => [
    ...(i === 0 ? [] : [' and ']),
    { text: group, notify: group },
  ]);
  const line = [`${oneLine(person)} reminds `, ...names, ': this still waits for you.'];
  return await tell(parts, request, {
    key: `reminder:${id}`,
    groups,
    at,
    post: { summary: 'A request still waits for you', parts: [{ kind: 'text', line }] },
  });
}

type News = {
  readonly key: string;
  readonly groups: readonly string[];
  /** ISO 8601. */
  readonly at: string;
  readonly post: Post;
};

/** Under the card, and to each of the groups who has not voted yet. */
export async function tell(
  parts: TalkParts,
  request: Request,
  { key, groups, at, post }: News,
): Promise<readonly Said[]> {
  const thread = inThread(parts, request, { key, post });
  const over = request.state !== 'pending' || Date.now() - Date.parse(at) > NEWS_MS;
  if (over || !parts.members) return thread;
  const { card, decisions } = request;
  const voted = new Set(decisions.map(({ person }) => person));
  const members = await parts.members(groups, card.person.email);
  const waits = members.filter((email) => !voted.has(email)).slice(0, MOST_TOLD);
  const alone: Post = {
    ...post,
    parts: [
      {
        kind: 'text',
        line: [
          `A request of ${oneLine(card.person.name)} on ${oneLine(card.target)} waits for `,
          { text: groups.join(', '), style: 'bold' },
          '. ',
          { text: 'Open it', link: `${parts.publicUrl}/requests/${request.id}` },
        ],
      },
    ],
  };
  return [...thread, ...waits.map((person) => ({ key, to: { person }, post: alone }))];
}
