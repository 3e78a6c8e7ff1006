import { BOT, type FakeMember, type FakeTeams, TENANT } from './teams.ts';
import { buttonOf, checkCard } from './teams-card.ts';

export const CHANNEL_T = '19:approvals@thread.tacv2';

/** What an activity or its token says otherwise. */
export type Otherwise = {
  readonly activity?: Readonly<Record<string, unknown>>;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
};
export type Reply = { readonly status: number; readonly body: unknown };

const from = ({ id, aadObjectId, name }: FakeMember) => ({ id, aadObjectId, name });

/** What people do in Teams, as it reaches the bot at that address: signed, and with Teams' own ids. */
export function teamsActor(teams: FakeTeams, address: () => string) {
  const post = async (activity: object, { token, headers }: Otherwise = {}): Promise<Reply> => {
    const response = await fetch(`${address()}/api/messages`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token ?? (await teams.token())}`,
        ...headers,
      },
      body: JSON.stringify(activity),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  const activityOf = (who: FakeMember, channel: string, message?: string) => ({
    id: teams.newId(),
    channelId: 'msteams',
    serviceUrl: teams.url,
    timestamp: new Date().toISOString(),
    localTimezone: 'Europe/Berlin',
    from: from(who),
    recipient: { id: BOT, name: 'Countersign' },
    conversation: {
      id:
        channel.startsWith('19:') && message !== undefined
          ? `${channel};messageid=${message}`
          : channel,
      tenantId: TENANT,
      conversationType: channel.startsWith('19:') ? 'channel' : 'personal',
    },
    channelData: { tenant: { id: TENANT } },
    ...(message !== undefined && { replyToId: message }),
  });
  const invoke = (
    who: FakeMember,
    channel: string,
    message: string | undefined,
    name: string,
    value: unknown,
    otherwise: Otherwise = {},
  ) =>
    post(
      { ...activityOf(who, channel, message), type: 'invoke', name, value, ...otherwise.activity },
      otherwise,
    );

  return {
    post,
    activityOf,
    invoke,
    /** Presses a button of a card, by its title. */
    async press(
      who: FakeMember,
      where: { readonly conversation: string; readonly id: string; readonly card: unknown },
      title: string,
      otherwise: Otherwise = {},
    ) {
      const button = buttonOf(where.card, title);
      const channel = where.conversation.split(';')[0] ?? '';
      if (button['type'] === 'Action.Execute')
        return await invoke(
          who,
          channel,
          where.id,
          'adaptiveCard/action',
          {
            action: { type: 'Action.Execute', verb: button['verb'], data: button['data'] },
            trigger: 'manual',
          },
          otherwise,
        );
      return await invoke(
        who,
        channel,
        where.id,
        'task/fetch',
        { data: button['data'], context: { theme: 'default' } },
        otherwise,
      );
    },
    /** Fills in a dialog or a card with inputs, and sends it. */
    async submit(
      who: FakeMember,
      channel: string,
      card: unknown,
      values: Readonly<Record<string, string>>,
      as: 'dialog' | 'card' = 'dialog',
    ) {
      const { data } = sendButton(card);
      const filled = Object.fromEntries(
        Object.entries(values).map(([id, value]) => [`field:${id}`, value]),
      );
      const sent = { ...(data as object), ...filled };
      return as === 'dialog'
        ? await invoke(who, channel, undefined, 'task/submit', { data: sent })
        : await invoke(who, channel, undefined, 'adaptiveCard/action', {
            action: { type: 'Action.Execute', verb: 'form.send', data: sent },
          });
    },
    /** Writes to the bot alone, or in a channel after its name. */
    async write(who: FakeMember, channel: string, text: string, otherwise: Otherwise = {}) {
      const alone = !channel.startsWith('19:');
      return await post(
        {
          ...activityOf(who, channel),
          type: 'message',
          text: alone ? text : `<at>Countersign</at> ${text}`,
          ...(!alone && {
            entities: [
              {
                type: 'mention',
                text: '<at>Countersign</at>',
                mentioned: { id: BOT, name: 'Countersign' },
              },
            ],
          }),
          ...otherwise.activity,
        },
        otherwise,
      );
    },
    react: (who: FakeMember, channel: string, message: string, type: string, added = true) =>
      post({
        ...activityOf(who, channel, message),
        type: 'messageReaction',
        [added ? 'reactionsAdded' : 'reactionsRemoved']: [{ type }],
      }),
    /** The bot is added to a channel, or taken out of it. */
    install: (who: FakeMember, channel: string, action: 'add' | 'remove' = 'add') =>
      post({ ...activityOf(who, channel), type: 'installationUpdate', action }),
  };
}

function sendButton(card: unknown): Readonly<Record<string, unknown>> {
  const text = JSON.stringify(card);
  const title = /"title":"([^"]+)"[^{}]*"style":"positive"/u.exec(text)?.[1];
  if (title === undefined) throw new Error(`no form: ${text}`);
  return buttonOf(card, title);
}

/** The card of a dialog that was opened. Throws unless it is one, and a right one. */
export function dialogCard({ body }: Reply): unknown {
  const task = (body as { task?: { type?: string; value?: { card?: { content?: unknown } } } })
    .task;
  const card = task?.value?.card?.content;
  const wrong = checkCard(card);
  if (task?.type !== 'continue' || wrong.length > 0)
    throw new Error(`no dialog: ${JSON.stringify(body)} ${wrong.join('; ')}`);
  return card;
}

/** What a reply says: the line at a card, or of a dialog. */
export function noteOf({ body }: Reply): string {
  const { value, task } = (body ?? {}) as { value?: unknown; task?: { value?: unknown } };
  const text = task ? task.value : value;
  if (typeof text !== 'string') throw new Error(`no line: ${JSON.stringify(body)}`);
  return text;
}

/** The card that stands in the place of the one that was clicked. Throws unless it is one, and a right one. */
export function newCard({ body }: Reply): unknown {
  const { type, value } = (body ?? {}) as { type?: string; value?: unknown };
  const wrong = checkCard(value);
  if (type !== 'application/vnd.microsoft.card.adaptive' || wrong.length > 0)
    throw new Error(`no card: ${JSON.stringify(body)} ${wrong.join('; ')}`);
  return value;
}
