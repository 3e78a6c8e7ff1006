import { setTimeout as sleep } from 'node:timers/promises';
import type { App, ViewResponseAction, webApi } from '@slack/bolt';
import { z } from 'zod';
import type { Account, Act, Actor, Answer, Desk, FormAnswer, Place } from '../desk.ts';
import type { BotLog } from '../log.ts';
import type { Post } from '../model.ts';
import type { ChatPeople } from '../people.ts';
import { platformError } from './client.ts';
import {
  blocksOf,
  closingModal,
  escapeMrkdwn,
  type Known,
  modalOf,
  optionsOf,
  slackMessage,
} from './render.ts';

export type AdapterParts = {
  readonly desk: Desk;
  readonly people: ChatPeople;
  readonly publicUrl: string;
  readonly log: BotLog;
  readonly known?: () => Known;
};

/** Slack waits three seconds for an answer, and then shows the person an error. */
const ACK_MS = 2_000;
const FAILED = 'That could not be done just now, and nothing was. Try again, or do it here:';
const SLOW_DIALOG = 'Slack took too long to open the dialog: press the button again.';

const User = z.object({ id: z.string(), team_id: z.string().optional() });
const Team = z.object({ id: z.string() });
const Click = z.object({
  user: User,
  team: Team,
  trigger_id: z.string(),
  container: z.object({ type: z.string() }),
  channel: z.object({ id: z.string() }).optional(),
  message: z.object({ ts: z.string() }).optional(),
  actions: z
    .array(z.object({ action_id: z.string(), value: z.string().max(2_000).optional() }))
    .length(1),
});
const Answered = z.object({
  value: z.string().nullish(),
  selected_option: z.object({ value: z.string() }).nullish(),
  selected_date_time: z.number().nullish(),
});
const Submission = z.object({
  user: User,
  team: Team,
  view: z.object({
    callback_id: z.string(),
    private_metadata: z.string(),
    state: z.object({ values: z.record(z.string(), z.record(z.string(), Answered)) }),
  }),
});
const Suggestion = z.object({ user: User, team: Team, action_id: z.string(), value: z.string() });
const Command = z.object({
  command: z.string(),
  text: z.string().default(''),
  user_id: z.string(),
  team_id: z.string(),
  channel_id: z.string(),
  trigger_id: z.string(),
});
const Shortcut = z.object({
  callback_id: z.string(),
  user: User,
  team: Team,
  trigger_id: z.string(),
});
/** What a modal carries through Slack: the form's own, and where to answer who sent it. */
const Metadata = z.object({ state: z.string(), channel: z.string().optional() });

type Asked = {
  readonly account: Account;
  readonly place: Place;
  readonly trigger?: string;
};

/**
 * Slack's side of the desk: finds out who acts, gives the act to the desk, and the answer back to that person alone, in
 * Slack's three seconds or later.
 */
export function registerDesk(app: App, parts: AdapterParts): void {
  const { desk, log } = parts;
  const known = (): Known => parts.known?.() ?? {};

  /** The actor, or what they are told. */
  const actorOf = async (account: Account): Promise<Actor | Answer> => {
    const found = await parts.people.actor(account);
    if ('actor' in found) return found.actor;
    if ('refused' in found) return { tell: found.refused };
    return { tell: 'Say once who you are, then do this again:', link: found.unlinked };
  };
  const answerTo = async <T>(
    asked: Asked,
    act: (act: Act) => Promise<T | Answer>,
  ): Promise<T | Answer> => {
    try {
      const actor = await actorOf(asked.account);
      return actor && 'person' in actor ? await act({ actor, place: asked.place }) : actor;
    } catch (error) {
      log.error({ err: error, ...asked.place }, 'something done in Slack could not be handled');
      return { tell: FAILED, link: parts.publicUrl };
    }
  };

  const give = async (client: webApi.WebClient, asked: Asked, answer: Answer): Promise<void> => {
    if (!answer) return;
    if ('form' in answer) {
      const slow = await open(client, asked, answer.form);
      if (slow) await give(client, asked, { tell: SLOW_DIALOG });
      return;
    }
    await whisper(client, asked, 'show' in answer ? answer.show : tellPost(answer)).catch(
      (error: unknown) => log.warn({ err: error }, 'an answer in Slack was not delivered'),
    );
  };
  const open = async (
    client: webApi.WebClient,
    { trigger = '', place }: Asked,
    form: Parameters<typeof modalOf>[0],
  ): Promise<boolean> => {
    const metadata = JSON.stringify({
      state: form.state,
      ...(place.channel !== undefined && { channel: place.channel }),
    });
    try {
      await client.views.open({ trigger_id: trigger, view: modalOf(form, metadata, known()) });
      return false;
    } catch (error) {
      if (platformError(error) !== 'expired_trigger_id') throw error;
      return true;
    }
  };
  const whisper = async (
    client: webApi.WebClient,
    { account: { user }, place }: Asked,
    post: Post,
  ): Promise<void> => {
    const message = messageOf(post, known());
    // What was done at no message, as on App Home, is answered directly.
    const channel = place.channel ?? (await client.conversations.open({ users: user })).channel?.id;
    if (channel === undefined) return;
    if (place.channel !== undefined && !place.channel.startsWith('D'))
      await client.chat.postEphemeral({ channel, user, ...message });
    else
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
      await client.chat.postMessage({ channel, ...message });
  };
  const publishHome = async (client: webApi.WebClient, account: Account): Promise<void> => {
    const { home } = desk;
    if (!home) return;
    const answer = await answerTo({ account, place: {} }, async ({ actor }) => ({
      show: await home(actor),
    }));
    if (!answer || 'form' in answer) return;
    const blocks = blocksOf('show' in answer ? answer.show : tellPost(answer), known());
    await client.views.publish({ user_id: account.user, view: { type: 'home', blocks } });
  };

  app.action(/.*/, async ({ ack, body, client }) => {
    const click = Click.parse(body);
    const [action] = click.actions;
    const handler = action && desk.buttons?.[action.action_id];
    // Buttons that are links: the click itself needs no answer.
    if (!handler || action.value === undefined) return await ack();
    const { value } = action;
    const asked: Asked = {
      account: accountOf(click),
      trigger: click.trigger_id,
      place: {
        ...(click.channel && { channel: click.channel.id }),
        ...(click.message && { message: click.message.ts }),
      },
    };
    const done = answerTo(asked, (act) => handler({ ...act, value })).then(async (answer) => {
      await give(client, asked, answer);
      if (click.container.type === 'view') await publishHome(client, asked.account);
    });
    await inTime(done);
    await ack();
    await done;
  });

  app.view(/.*/, async ({ ack, body, client }) => {
    const { view, ...sender } = Submission.parse(body);
    const { state, channel } = Metadata.parse(JSON.parse(view.private_metadata));
    const handler = desk.forms?.[view.callback_id];
    if (!handler) return await ack();
    const asked: Asked = {
      account: accountOf(sender),
      place: channel === undefined ? {} : { channel },
    };
    const fields = Object.keys(view.state.values);
    const done = answerTo<FormAnswer>(asked, (act) =>
      handler({ ...act, state, values: valuesOf(view.state.values) }),
    );
    const soon = await inTime(done);
    if (soon === LATE) {
      // The modal is closed by now: what it could not say is said where it was opened.
      await ack();
      const late = await done;
      return await give(client, asked, late && 'errors' in late ? tellErrors(late.errors) : late);
    }
    await ack(submitted(soon, fields, known()));
  });

  app.options(/.*/, async ({ ack, body }) => {
    const { action_id: source, value, ...sender } = Suggestion.parse(body);
    const search = desk.searches?.[source];
    const choices = await answerTo({ account: accountOf(sender), place: {} }, async ({ actor }) =>
      search ? { choices: await search(actor, value) } : undefined,
    );
    await ack({ options: optionsOf(choices && 'choices' in choices ? choices.choices : []) });
  });

  app.command(/.*/, async ({ ack, body, client }) => {
    const command = Command.parse(body);
    const handler = desk.commands?.[command.command.replace(/^\//, '')];
    if (!handler) return await ack();
    const asked: Asked = {
      account: { platform: 'slack', workspace: command.team_id, user: command.user_id },
      place: { channel: command.channel_id },
      trigger: command.trigger_id,
    };
    const done = answerTo(asked, (act) => handler({ ...act, text: command.text }));
    const soon = await inTime(done);
    if (soon !== LATE && soon && !('form' in soon)) {
      // The answer to the command itself is shown even where the bot is not in the channel.
      const message = messageOf('show' in soon ? soon.show : tellPost(soon), known());
      return await ack({ response_type: 'ephemeral', ...message });
    }
    await ack();
    await give(client, asked, await done);
  });

  app.shortcut(/.*/, async ({ ack, body, client }) => {
    const shortcut = Shortcut.parse(body);
    const handler = desk.commands?.[shortcut.callback_id];
    if (!handler) return await ack();
    const asked = { account: accountOf(shortcut), place: {}, trigger: shortcut.trigger_id };
    const done = answerTo(asked, (act) => handler({ ...act, text: '' })).then((answer) =>
      give(client, asked, answer),
    );
    await inTime(done);
    await ack();
    await done;
  });

  app.event('app_home_opened', async ({ event, body, client }) => {
    if (event.tab === 'home')
      await publishHome(client, {
        platform: 'slack',
        workspace: body.team_id,
        user: event.user,
      });
  });
}

const accountOf = ({
  user,
  team,
}: {
  readonly user: z.infer<typeof User>;
  readonly team: z.infer<typeof Team>;
}): Account => ({ platform: 'slack', workspace: user.team_id ?? team.id, user: user.id });

const LATE = Symbol('late');

/** What `work` comes to, or `LATE` when Slack would not wait for it. */
function inTime<T>(work: Promise<T>): Promise<T | typeof LATE> {
  return Promise.race([work, sleep(ACK_MS, LATE, { ref: false })]);
}

function valuesOf(
  blocks: z.infer<typeof Submission>['view']['state']['values'],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(blocks).map(([id, elements]) => {
      const [answer] = Object.values(elements);
      const at = answer?.selected_date_time;
      const text = answer?.value ?? answer?.selected_option?.value ?? '';
      return [id, at === undefined || at === null ? text : new Date(at * 1_000).toISOString()];
    }),
  );
}

function submitted(
  answer: FormAnswer,
  fields: readonly string[],
  known: Known,
): ViewResponseAction | undefined {
  if (!answer) return undefined;
  if ('errors' in answer) return { response_action: 'errors', errors: { ...answer.errors } };
  if ('form' in answer)
    return {
      response_action: 'update',
      view: modalOf(answer.form, JSON.stringify({ state: answer.form.state }), known),
    };
  const [first] = fields;
  // A failure is said at the form, which stays open; what is shown takes its place.
  if ('tell' in answer && first !== undefined)
    return { response_action: 'errors', errors: { [first]: told(answer) } };
  const post = 'show' in answer ? answer.show : tellPost(answer);
  return {
    response_action: 'update',
    view: closingModal(post.title ?? 'Countersign', post, known),
  };
}

type Told = Extract<Answer, { readonly tell: string }>;

const told = ({ tell, link }: Told): string => (link === undefined ? tell : `${tell} ${link}`);

const tellErrors = (errors: Readonly<Record<string, string>>): Answer => ({
  tell: Object.values(errors).join(' '),
});

const tellPost = (answer: Told): Post => ({ summary: told(answer), parts: [] });

/** What is only told has no blocks: its text is the whole message. */
function messageOf(post: Post, known: Known) {
  return post.parts.length === 0 ? { text: escapeMrkdwn(post.summary) } : slackMessage(post, known);
}
