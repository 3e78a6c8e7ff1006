import type { TeamsConfig } from '#src/config/config.ts';
import type { Post } from '../model.ts';
import { Refused, type Platform, type Ref } from '../platform.ts';
import type { Connector } from './connector.ts';
import type { Place, Places } from './places.ts';
import { type Card, CARD_TYPE, cardOf, fits, type Message, messageOf } from './render.ts';

/** Teams' words for a message that is not there any more. */
const GONE = ['ActivityNotFound', 'MessageNotFound', 'NotFound', 'HTTP 404'];

export type TeamsPlatform = Platform & {
  /** A card that is no Post: a form. */
  show(channel: string, summary: string, card: Card): Promise<void>;
  /** A message's card, as it stands in Teams. */
  card(post: Post): Card;
};

type Parts = {
  readonly config: Pick<TeamsConfig, 'tenants' | 'serviceUrls'> & {
    readonly appId?: string;
    readonly localTest?: true;
  };
  readonly connector: Connector;
  readonly places: Places;
};

export function teamsPlatform({ config, connector, places }: Parts): TeamsPlatform {
  // The Playground opens no dialogs.
  const look = { dialogs: config.localTest !== true };
  const said = (post: Post): Message => messageOf(post, look);
  /** Of what was never heard of only the id is known; the first service URL serves the whole tenant. */
  const unknown = async (tenant: string, conversation: string): Promise<Place> => {
    const near = await places.any(tenant);
    const { serviceUrls, appId = '' } = config;
    return {
      tenant,
      conversation,
      service: near?.service ?? serviceUrls[0] ?? '',
      bot: near?.bot ?? `28:${appId}`,
    };
  };
  const placeFor = async (channel: string): Promise<Place> =>
    (await places.at(channel)) ?? (await unknown(config.tenants[0] ?? '', channel));

  const send = async (channel: string, message: Message, thread?: string): Promise<Ref> => {
    const place = await placeFor(channel);
    if (!isTeamChannel(channel)) {
      const id = await connector.send(place.service, channel, message);
      return { channel, message: id };
    }
    if (thread !== undefined) {
      const id = await connector.send(place.service, `${channel};messageid=${thread}`, message);
      return { channel, message: id };
    }
    const { id, activityId } = await connector.create(place.service, {
      isGroup: true,
      bot: { id: place.bot },
      tenantId: place.tenant,
      channelData: { channel: { id: channel }, tenant: { id: place.tenant } },
      activity: message,
    });
    const made = activityId ?? /;messageid=(.+)$/u.exec(id)?.[1];
    if (made === undefined) throw new Error('Teams took the message and gave no id for it');
    return { channel, message: made };
  };

  const direct = async (tenant: string, user: string): Promise<string> => {
    const known = await places.alone(tenant, user);
    if (known) return known.conversation;
    const near = await unknown(tenant, '');
    const { id } = await connector.create(near.service, {
      isGroup: false,
      bot: { id: near.bot },
      members: [{ id: user }],
      tenantId: tenant,
      channelData: { tenant: { id: tenant } },
    });
    await places.opened({ ...near, conversation: id }, user);
    return id;
  };

  return {
    name: 'teams',
    fits: (post) => fits(said(post)),
    card: (post) => cardOf(post, look),
    post: (channel, post, { thread }) => send(channel, said(post), thread),
    async update({ channel, message }, post) {
      try {
        const { service } = await placeFor(channel);
        await connector.update(service, channel, message, said(post));
        return true;
      } catch (error) {
        if (error instanceof Refused && GONE.includes(error.code)) return false;
        throw error;
      }
    },
    // Bots may not read what stands in a conversation: a copy is accepted, and does not act.
    find: () => Promise.resolve(undefined),
    direct,
    async whisper(_channel, tenant, user, line) {
      const alone = await direct(tenant, user);
      const summary = line.map((span) => (typeof span === 'string' ? span : span.text)).join('');
      await send(alone, said({ summary, parts: [{ kind: 'text', line }] }));
    },
    async show(channel, summary, content) {
      const attachments = [{ contentType: CARD_TYPE, content }];
      await send(channel, { type: 'message', summary, attachments });
    },
  };
}

/** A group chat ends in `@thread.v2` and has no threads. */
const isTeamChannel = (conversation: string): boolean =>
  /^19:.+@thread\.(tacv2|skype)$/u.test(conversation);
