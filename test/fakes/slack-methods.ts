import { checkMessage, checkView } from './blockkit.ts';
import {
  type Block,
  BOT_USER,
  type FakeMessage,
  type FakeView,
  type SlackState,
  TEAM,
} from './slack-state.ts';

export type Args = Readonly<Record<string, string>>;
export type Answer = { ok?: boolean; [key: string]: unknown };
type Method = (args: Args) => Answer;

const NAME = /^[a-z0-9_+'-]+$/;

/** The Web API as far as the bot uses it. What Slack would refuse is refused, with Slack's error. */
export function webMethods(state: SlackState, uploadUrl: (file: string) => string) {
  const refuse = (error: string, why: readonly string[] = []): Answer => {
    state.refusals.push([error, ...why].join(' '));
    return { ok: false, error, response_metadata: { messages: why } };
  };
  return {
    refuse,
    methods: {
      ...chat(state, refuse),
      ...conversations(state, refuse),
      ...reactions(state, refuse),
      ...people(state, refuse),
      ...views(state, refuse),
      ...files(state, refuse, uploadUrl),
    } as Readonly<Record<string, Method>>,
  };
}

type Refuse = (error: string, why?: readonly string[]) => Answer;

function chat(state: SlackState, refuse: Refuse): Record<string, Method> {
  /** The error of writing into this channel, if there is one. */
  const shut = (id: string): string | undefined => {
    if (id.startsWith('D')) return undefined;
    const { gone, is_private, is_member, is_archived } = state.channel(id);
    if (gone === true || (is_private && !is_member)) return 'channel_not_found';
    if (!is_member) return 'not_in_channel';
    return is_archived ? 'is_archived' : undefined;
  };
  const bad = (body: ReturnType<typeof content>): Answer | undefined => {
    const wrong = [...checkMessage(body), ...pictures(state, body.blocks)];
    return wrong.length > 0 ? refuse('invalid_blocks', wrong) : undefined;
  };
  return {
    'chat.postMessage'(args) {
      const { channel = '', metadata, thread_ts: thread } = args;
      const closed = shut(channel);
      if (closed !== undefined) return refuse(closed);
      const body = content(args);
      const wrong = bad(body);
      if (wrong) return wrong;
      if (thread !== undefined && !state.messageAt(channel, thread) && !isForeign(thread))
        return refuse('cannot_reply_to_message');
      if (metadata !== undefined && metadata.length > 16_000) return refuse('metadata_too_large');
      const ts = state.ts();
      state.messages.push({
        ...body,
        ts,
        channel,
        ...(metadata !== undefined && { metadata: parsed<unknown>(metadata, undefined) }),
        edits: 0,
        ...(thread !== undefined && { thread }),
        reactions: new Map(),
      });
      return { ts, channel };
    },
    'chat.update'(args) {
      const { channel = '', ts } = args;
      const message = state.messageAt(channel, ts);
      if (!message) return refuse('message_not_found');
      const closed = shut(channel);
      if (closed !== undefined) return refuse(closed);
      const body = content(args);
      const wrong = bad(body);
      if (wrong) return wrong;
      Object.assign(message, body, { edits: message.edits + 1 });
      return { ts, channel };
    },
    'chat.delete'({ channel, ts }) {
      const message = state.messageAt(channel, ts);
      if (!message) return refuse('message_not_found');
      state.messages.splice(state.messages.indexOf(message), 1);
      return { ts, channel };
    },
    'chat.postEphemeral'(args) {
      const { channel = '', user = '' } = args;
      const closed = shut(channel);
      if (closed !== undefined) return refuse(closed);
      const body = content(args);
      const wrong = bad(body);
      if (wrong) return wrong;
      state.ephemerals.push({ channel, user, ...body });
      return { message_ts: state.ts() };
    },
    'chat.getPermalink': ({ channel, message_ts: ts }) =>
      state.messageAt(channel, ts)
        ? { channel, permalink: `https://acme.slack.com/archives/${channel}/p${ts}` }
        : refuse('message_not_found'),
    'chat.unfurl'({ channel, ts, unfurls: given }) {
      const link = state.shared.find((one) => one.channel === channel && one.ts === ts);
      if (!link) return refuse('cannot_find_message');
      const unfurls = parsed<Record<string, { blocks: Block[] }>>(given, {});
      for (const { blocks } of Object.values(unfurls)) {
        const wrong = checkMessage({ text: 'none is needed', blocks });
        if (wrong.length > 0) return refuse('invalid_unfurls_format', wrong);
      }
      link.unfurls = unfurls;
      return {};
    },
  };
}

function conversations(state: SlackState, refuse: Refuse): Record<string, Method> {
  const known = (which: (one: FakeMessage) => boolean) =>
    state.messages.filter(which).map(({ ts, metadata }) => ({ ts, metadata }));
  /** Refused, unless the scope is there to read it. */
  const unread = (channel: string): Answer | undefined => {
    const needed = channel.startsWith('D')
      ? ['im:history']
      : ['channels:history', 'groups:history'];
    return needed.some((scope) => state.scopes.has(scope))
      ? undefined
      : { ok: false, error: 'missing_scope', needed: needed.join() };
  };
  return {
    'conversations.open'({ users = '' }) {
      const user = state.users.get(users);
      if (!user) return refuse('user_not_found');
      if (user.deleted === true) return refuse('user_disabled');
      if (user.is_bot === true) return refuse('cannot_dm_bot');
      return { channel: { id: `D${users}` } };
    },
    'conversations.info'({ channel: id = '' }) {
      const { gone, ...channel } = state.channel(id);
      if (gone === true || (channel.is_private && !channel.is_member))
        return refuse('channel_not_found');
      const scope = channel.is_private ? 'groups:read' : 'channels:read';
      if (!state.scopes.has(scope)) return { ok: false, error: 'missing_scope', needed: scope };
      return { channel: { id, name: id.toLowerCase(), ...channel } };
    },
    'conversations.history'({ channel = '' }) {
      return (
        unread(channel) ?? { messages: known((one) => one.channel === channel && !one.thread) }
      );
    },
    'conversations.replies'({ channel = '', ts: root }) {
      if (!state.messageAt(channel, root)) return refuse('thread_not_found');
      const inThread = (one: FakeMessage) => one.thread === root || one.ts === root;
      return (
        unread(channel) ?? { messages: known((one) => one.channel === channel && inThread(one)) }
      );
    },
  };
}

function reactions(state: SlackState, refuse: Refuse): Record<string, Method> {
  return {
    'reactions.add'({ channel, timestamp, name = '' }) {
      const message = state.messageAt(channel, timestamp);
      if (!message) return refuse('message_not_found');
      if (!NAME.test(name)) return refuse('invalid_name');
      const users = message.reactions.get(name) ?? new Set();
      if (users.has(BOT_USER)) return refuse('already_reacted');
      message.reactions.set(name, users.add(BOT_USER));
      return {};
    },
    'reactions.get'({ channel, timestamp }) {
      const message = state.messageAt(channel, timestamp);
      if (!message) return refuse('message_not_found');
      const given = [...message.reactions].filter(([, users]) => users.size > 0);
      return {
        type: 'message',
        channel,
        message: {
          ts: message.ts,
          text: message.text,
          ...(given.length > 0 && {
            reactions: given.map(([name, users]) => ({
              name,
              users: [...users],
              count: users.size,
            })),
          }),
        },
      };
    },
  };
}

function people(state: SlackState, refuse: Refuse): Record<string, Method> {
  const shown = (id: string): Answer => {
    const { email, team, ...flags } = state.users.get(id) ?? {};
    const profile = state.scopes.has('users:read.email') ? { email } : {};
    return { user: { id, team_id: team ?? TEAM, is_bot: false, ...flags, profile } };
  };
  return {
    'auth.test': () => ({ team_id: TEAM, user_id: BOT_USER, bot_id: 'BCOUNTERSIGN' }),
    'users.info': ({ user = '' }) =>
      state.users.has(user) ? shown(user) : refuse('user_not_found'),
    'users.lookupByEmail'({ email = '' }) {
      const found = [...state.users].find(
        ([, user]) =>
          user.email?.toLowerCase() === email.toLowerCase() &&
          user.is_bot !== true &&
          user.deleted !== true &&
          (user.team ?? TEAM) === TEAM,
      );
      return found ? shown(found[0]) : refuse('users_not_found');
    },
    'usergroups.list': () => ({
      usergroups: state.usergroups.map((one) => ({ date_delete: 0, ...one })),
    }),
  };
}

function views(state: SlackState, refuse: Refuse): Record<string, Method> {
  const checked = (args: Args): { view: Omit<FakeView, 'id'> } | { refused: Answer } => {
    const view = parsed<Omit<FakeView, 'id'> | undefined>(args['view'], undefined);
    const wrong = checkView(view);
    return view && wrong.length === 0 ? { view } : { refused: refuse('invalid_arguments', wrong) };
  };
  const stack = (args: Args): Answer => {
    const late = state.useTrigger(args['trigger_id'] ?? '');
    if (late !== undefined) return refuse(late);
    const found = checked(args);
    if ('refused' in found) return found.refused;
    if (found.view.type !== 'modal') return refuse('invalid_arguments', ['not a modal']);
    const view = { ...found.view, id: `V${state.next()}` };
    state.views.push(view);
    return { view };
  };
  return {
    'views.open': stack,
    'views.push': stack,
    'views.update'(args) {
      const at = state.views.findIndex(({ id }) => id === args['view_id']);
      if (at < 0) return refuse('not_found');
      const found = checked(args);
      if ('refused' in found) return found.refused;
      const view = { ...found.view, id: args['view_id'] ?? '' };
      state.views[at] = view;
      return { view };
    },
    'views.publish'(args) {
      const user = args['user_id'] ?? '';
      if (!state.users.has(user)) return refuse('user_not_found');
      const found = checked(args);
      if ('refused' in found) return found.refused;
      if (found.view.type !== 'home') return refuse('invalid_arguments', ['not a home view']);
      const view = { ...found.view, id: `V${state.next()}` };
      state.homes.set(user, view);
      return { view };
    },
  };
}

function files(
  state: SlackState,
  refuse: Refuse,
  uploadUrl: (file: string) => string,
): Record<string, Method> {
  return {
    'files.getUploadURLExternal'({ filename = '', length = '' }) {
      if (filename === '' || !/^[1-9]\d*$/.test(length)) return refuse('invalid_arguments');
      const id = `F${String(state.next()).padStart(8, '0')}`;
      state.files.set(id, { id, length: Number(length), ready: false });
      return { upload_url: uploadUrl(id), file_id: id };
    },
    'files.completeUploadExternal'({ files: given }) {
      for (const { id } of parsed<{ id: string }[]>(given, [])) {
        const file = state.files.get(id);
        if (!file?.bytes) return refuse('file_not_found');
        if (file.bytes.length !== file.length) return refuse('file_update_failed');
        file.ready = true;
      }
      return { files: parsed(given, []) };
    },
  };
}

/** What is wrong with the pictures of a message: each has to be a file that was uploaded, and looked at by Slack. */
function pictures(state: SlackState, blocks: readonly Block[]): readonly string[] {
  const wrong = blocks.flatMap(({ slack_file: file }, i) =>
    file === undefined || state.files.get(file.id ?? '')?.ready === true
      ? []
      : [`[ERROR] invalid slack file [json-pointer:/blocks/${i}/slack_file]`],
  );
  if (wrong.length > 0 || state.slowFiles === 0 || !blocks.some((one) => one.slack_file))
    return wrong;
  state.slowFiles -= 1;
  return ['[ERROR] invalid slack file [json-pointer:/blocks/0/slack_file]'];
}

/** Messages of people are not kept here; their threads may be answered in. */
const isForeign = (ts: string): boolean => !ts.startsWith('1700000000.');

function content(args: Args) {
  return { text: args['text'] ?? '', blocks: parsed<Block[]>(args['blocks'], []) };
}

function parsed<T>(text: string | undefined, missing: T): T {
  return text === undefined ? missing : (JSON.parse(text) as T);
}
