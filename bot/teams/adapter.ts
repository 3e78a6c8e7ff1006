import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Account, Act, Actor, Answer, Desk, FormAnswer, Place } from '../desk.ts';
import type { BotLog } from '../log.ts';
import type { Choice, Form, Post } from '../model.ts';
import type { ChatPeople } from '../people.ts';
import { Refused } from '../platform.ts';
import { type Activity, placeOf, saidIn } from './activity.ts';
import { answersOf, BACK, choiceOf, formCard, SEND, type Shown } from './form.ts';
import type { Forms } from './forms.ts';
import type { TeamsPlatform } from './platform.ts';
import { type Card, cardOf } from './render.ts';
import {
  cardReply,
  dialog,
  dialogNote,
  dialogPost,
  foundReply,
  noteReply,
  type Reply,
  tellPost,
  told,
} from './replies.ts';
import { zoneOf } from './zone.ts';

export type AdapterParts = {
  readonly desk: Desk;
  readonly people: ChatPeople;
  readonly platform: TeamsPlatform;
  readonly forms: Forms;
  readonly publicUrl: string;
  readonly log: BotLog;
  /** What a message of ours says now; undefined: it is none of ours, or of no kind that changes. */
  readonly current: (place: Place) => Promise<Post | undefined>;
};

/** Teams shows a failure to whoever waits longer than ten seconds or so. */
const ANSWER_MS = 8_000;
const LATE = Symbol('late');
const FAILED = 'That could not be done just now, and nothing was. Try again, or do it here:';
const IN_CHAT = 'The answer is in your chat with Countersign.';
const ALONE =
  'I answer you alone, and cannot reach you yet: add Countersign to your personal apps, then do this again.';

const Clicked = z.object({ action: z.string().max(200), value: z.string().max(2_000) });
const Executed = z.object({ action: z.object({ data: z.looseObject({ ...Clicked.shape }) }) });
const Task = z.object({ data: z.looseObject({ ...Clicked.shape }) });
const Search = z.object({ queryText: z.string().max(200), dataset: z.string().max(200) });

type Asked = {
  readonly account: Account;
  readonly place: Place;
  /** In the chat with this person alone. */
  readonly alone: boolean;
  readonly zone: string;
  /** What was written to the bot alone. */
  readonly said?: string;
};
type Data = Readonly<Record<string, unknown>> & z.infer<typeof Clicked>;

/** What people call a thing becomes a name of ours only when it is one: `constructor` is none. */
const named = <T>(all: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  all && Object.hasOwn(all, name) ? all[name] : undefined;

/** Teams' side of the desk: finds out who acts, gives the act to the desk, and the answer back to that person alone. */
export function teamsAdapter(parts: AdapterParts) {
  const { desk, platform, forms, log, publicUrl } = parts;

  const actorOf = async ({ account, said }: Asked): Promise<Actor | Answer> => {
    const found = await parts.people.actor(account, said);
    if ('actor' in found) return found.actor;
    if ('refused' in found) return { tell: found.refused };
    return {
      show: tellPost({ tell: 'Say once who you are, then do this again:', link: found.unlinked }),
    };
  };
  const answerTo = async <T>(
    asked: Asked,
    act: (act: Act) => Promise<T | Answer>,
  ): Promise<T | Answer> => {
    try {
      const actor = await actorOf(asked);
      return actor && 'person' in actor ? await act({ actor, place: asked.place }) : actor;
    } catch (error) {
      log.error({ err: error, ...asked.place }, 'something done in Teams could not be handled');
      return { tell: FAILED, link: publicUrl };
    }
  };

  /** First choices of what is looked up, as `asked` may see them. */
  const found = async (asked: Asked, form: Form): Promise<Shown['found']> => {
    const sources = form.fields.flatMap((field) => (field.kind === 'search' ? [field.source] : []));
    const all = await Promise.all(
      [...new Set(sources)].map(
        async (source) => [source, await search(asked, source, '')] as const,
      ),
    );
    return Object.fromEntries(all);
  };
  const search = async (
    asked: Asked,
    source: string,
    typed: string,
  ): Promise<readonly Choice[]> => {
    const look = named(desk.searches, source);
    const answer = await answerTo(asked, async ({ actor }) =>
      look ? { choices: await look(actor, typed) } : undefined,
    );
    return answer && 'choices' in answer ? answer.choices : [];
  };
  const shownForm = async (
    asked: Asked,
    form: Form,
    shown: Pick<Shown, 'as' | 'values' | 'errors' | 'back'>,
    stored?: string,
  ) => {
    const id = stored ?? (await forms.add(asked.account, form, asked.place));
    return formCard(form, { id, zone: asked.zone, found: await found(asked, form), ...shown });
  };

  /** Says it to that person alone. Rejects with `Refused` where Teams lets the bot not write to them. */
  const give = async (asked: Asked, answer: Answer): Promise<void> => {
    if (!answer) return;
    const { workspace, user } = asked.account;
    const { channel } = asked.place;
    const chat =
      asked.alone && channel !== undefined ? channel : await platform.direct(workspace, user);
    if ('form' in answer) {
      const { form } = answer;
      return await platform.show(chat, form.title, await shownForm(asked, form, { as: 'card' }));
    }
    const post = 'show' in answer ? answer.show : tellPost(answer);
    await platform.post(chat, post, { key: '' });
  };
  /** The same, and what to say where that person is now. */
  const giveOrSay = async (asked: Asked, answer: Answer): Promise<string> => {
    try {
      await give(asked, answer);
      return IN_CHAT;
    } catch (error) {
      log.warn({ err: error }, 'an answer in Teams was not delivered');
      return error instanceof Refused ? ALONE : `${FAILED} ${publicUrl}`;
    }
  };

  /** What stands in the place of the card now; else a line, or the answer in the chat. */
  const replyTo = async (asked: Asked, answer: Answer): Promise<Reply> => {
    if (!answer) return await now(asked.place);
    if ('tell' in answer) return noteReply(told(answer));
    if ('form' in answer)
      return cardReply(await shownForm(asked, answer.form, { as: 'card', back: true }));
    return noteReply(await giveOrSay(asked, answer));
  };
  /** The card as it is now, for whoever clicked: everybody's follows. */
  const now = async (place: Place): Promise<Reply> => {
    const post = await parts.current(place);
    return post
      ? cardReply(platform.card(post))
      : cardReply(cardOf({ summary: 'Done.', parts: [] }));
  };
  /** Whoever waits too long is told, and gets the answer afterwards. */
  const inTime = async (asked: Asked, work: Promise<Answer>): Promise<Answer | typeof LATE> => {
    const answer = await Promise.race([work, sleep(ANSWER_MS, LATE, { ref: false })]);
    if (answer === LATE) void work.then((late) => giveOrSay(asked, late));
    return answer;
  };

  const press = (asked: Asked, { action, value }: Data): Promise<Answer> => {
    const handler = named(desk.buttons, action);
    return answerTo(asked, (act) =>
      handler
        ? handler({ ...act, value })
        : Promise.resolve({
            tell: 'That button is of an older version. Do it here:',
            link: publicUrl,
          }),
    );
  };
  /** The form as it was shown to this person, and what becomes of it. */
  const send = async (asked: Asked, data: Data) => {
    const open = await forms.find(asked.account, data.value);
    const handler = open && named(desk.forms, open.form.id);
    if (!open || !handler)
      return { answer: { tell: 'This form is too old, or not yours. Begin again.' } };
    const values = answersOf(open.form, data, asked.zone);
    const answer = await answerTo<FormAnswer>({ ...asked, place: open.place }, (act) =>
      handler({ ...act, state: open.form.state, values }),
    );
    return { answer, open, values };
  };
  /** A form that stays open says what is wrong. */
  const sent = async (asked: Asked, data: Data, as: Shown['as']): Promise<Reply> => {
    const { answer, open, values } = await send(asked, data);
    // The form stood in the place of the card that it is about.
    if (!answer) return as === 'card' ? await now(open?.place ?? {}) : undefined;
    if (!('errors' in answer)) return await afterForm(asked, answer, as);
    if (!open) return undefined;
    const { errors } = answer;
    const back = open.place.message !== undefined;
    const card = await shownForm(asked, open.form, { as, values, errors, back }, open.id);
    return formReply(open.form, card, as);
  };
  const afterForm = async (
    asked: Asked,
    answer: NonNullable<Answer>,
    as: Shown['as'],
  ): Promise<Reply> => {
    if ('form' in answer)
      return formReply(answer.form, await shownForm(asked, answer.form, { as }), as);
    if (as === 'card') return cardReply(cardOf('show' in answer ? answer.show : tellPost(answer)));
    return 'show' in answer ? dialogPost(answer.show) : dialogNote(told(answer));
  };
  const fetchDialog = async (asked: Asked, data: Data): Promise<Reply> => {
    const answer = await press(asked, data);
    if (!answer) return dialogNote('Done.');
    if ('form' in answer)
      return dialog(answer.form.title, await shownForm(asked, answer.form, { as: 'dialog' }));
    return 'show' in answer ? dialogPost(answer.show) : dialogNote(told(answer));
  };
  const execute = async (asked: Asked, data: Data): Promise<Reply> => {
    if (data.action === SEND) return await sent(asked, data, 'card');
    if (data.action === BACK) {
      const open = await forms.find(asked.account, data.value);
      return await now(open?.place ?? asked.place);
    }
    const answer = await inTime(asked, press(asked, data));
    return answer === LATE
      ? noteReply('It takes longer than usual: the answer comes in your chat.')
      : await replyTo(asked, answer);
  };

  /** What Teams asks for, by the name of the invoke. */
  const invokes: Readonly<Record<string, (asked: Asked, value: unknown) => Promise<Reply>>> = {
    'adaptiveCard/action': (asked, value) => execute(asked, Executed.parse(value).action.data),
    'task/fetch': (asked, value) => fetchDialog(asked, Task.parse(value).data),
    'task/submit': (asked, value) => sent(asked, Task.parse(value).data, 'dialog'),
    async 'application/search'(asked, value) {
      const { dataset, queryText } = Search.parse(value);
      return foundReply((await search(asked, dataset, queryText)).slice(0, 15).map(choiceOf));
    },
  };

  /** By its first word, or to whoever answers everything else. */
  const write = (asked: Asked, text: string): Promise<Answer> => {
    const [, word = '', rest = ''] = /^\/?(\S*)\s*([^]*)$/u.exec(text) ?? [];
    const command = named(desk.commands, word.toLowerCase());
    return answerTo<Answer>(asked, (act) => {
      if (command) return command({ actor: act.actor, place: placeWithout(act.place), text: rest });
      if (word !== '' && word.toLowerCase() !== 'help' && desk.mentioned)
        return desk.mentioned({ ...act, text });
      return Promise.resolve({ show: helpOf(desk) });
    });
  };
  const wrote = async (activity: Activity, asked: Asked): Promise<void> => {
    const clicked = Clicked.loose().safeParse(activity.value);
    const text = saidIn(activity);
    if (!clicked.success && !asked.alone && !isMentioned(activity)) return;
    const answer = clicked.success
      ? await pressedAsMessage(asked, clicked.data)
      : await write(asked.alone ? { ...asked, said: text } : asked, text);
    const line = answer && (await giveOrSay(asked, answer));
    // Of the answer itself nothing is said where others read it.
    if (line !== undefined && line !== IN_CHAT && asked.place.channel !== undefined)
      await platform.post(asked.place.channel, { summary: line, parts: [] }, { key: '' });
  };
  const pressedAsMessage = async (asked: Asked, data: Data): Promise<Answer> => {
    if (data.action !== SEND) return await press(asked, data);
    const { answer } = await send(asked, data);
    return answer && 'errors' in answer ? { tell: Object.values(answer.errors).join(' ') } : answer;
  };
  const reacted = async (activity: Activity, asked: Asked): Promise<void> => {
    const { reactionsAdded = [], reactionsRemoved = [], timestamp } = activity;
    const at = timestamp ?? new Date().toISOString();
    const all = [
      ...reactionsAdded.map(({ type }) => ({ type, added: true })),
      ...reactionsRemoved.map(({ type }) => ({ type, added: false })),
    ];
    for (const { type, added } of all) {
      // oxlint-disable-next-line no-await-in-loop -- in the order in which it was done
      const answer = await answerTo<Answer>(asked, async (act) =>
        desk.reacted?.({ ...act, reaction: plainReaction(type), added, at }),
      );
      // oxlint-disable-next-line no-await-in-loop -- one at a time
      if (answer) await giveOrSay(asked, answer);
    }
  };

  return async (activity: Activity, tenant: string): Promise<Reply> => {
    const asked = askedBy(activity, tenant);
    if (!asked) return undefined;
    if (activity.type === 'invoke')
      return await named(invokes, activity.name ?? '')?.(asked, activity.value);
    if (activity.type === 'message') await wrote(activity, asked);
    if (activity.type === 'messageReaction') await reacted(activity, asked);
    return undefined;
  };
}

/** Undefined when nobody did it whom Entra knows: a bot, or Teams itself. */
function askedBy(activity: Activity, tenant: string): Asked | undefined {
  const { from, conversation, replyToId, id, type, localTimezone } = activity;
  if (from.aadObjectId === undefined || from.role === 'bot') return undefined;
  const message = replyToId ?? (type === 'message' ? id : undefined);
  return {
    account: { platform: 'teams', workspace: tenant, user: from.aadObjectId },
    place: { channel: placeOf(conversation.id), ...(message !== undefined && { message }) },
    alone: conversation.conversationType === 'personal',
    zone: zoneOf(localTimezone),
  };
}

const placeWithout = ({ channel }: Place): Place => (channel === undefined ? {} : { channel });

const isMentioned = ({ entities = [], recipient }: Activity): boolean =>
  entities.some((one) => one.type === 'mention' && one.mentioned?.id === recipient.id);

const formReply = ({ title }: Form, card: Card, as: Shown['as']): Reply =>
  as === 'card' ? cardReply(card) : dialog(title, card);

/** `like`, or for others of Teams' signs their own name; without the tone of the skin. */
const plainReaction = (type: string): string =>
  type.replace(/[-_]tone\d$/u, '').replaceAll(':', '');

function helpOf(desk: Desk): Post {
  const commands = Object.keys(desk.commands ?? {});
  return {
    summary: 'What you can write to Countersign',
    title: 'What you can write to Countersign',
    parts: [
      {
        kind: 'list',
        items: [...commands, 'help'].map((name) => [{ text: name, style: 'code' }]),
      },
      {
        kind: 'note',
        line: ['In a channel, write it after my name: the answer comes to you alone.'],
      },
    ],
  };
}
