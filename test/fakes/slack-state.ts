/** What stands in the fake workspace. */
export type FakeUser = {
  email?: string;
  team?: string;
  is_bot?: boolean;
  deleted?: boolean;
  is_restricted?: boolean;
  is_ultra_restricted?: boolean;
  is_stranger?: boolean;
};
export type FakeMessage = {
  ts: string;
  channel: string;
  text: string;
  blocks: Block[];
  metadata?: unknown;
  edits: number;
  /** The message in whose thread it stands. */
  thread?: string;
  /** Who reacted, by name of the reaction. */
  reactions: Map<string, Set<string>>;
};
export type Block = {
  type: string;
  elements?: { action_id?: string; value?: string; url?: string }[];
  slack_file?: { id?: string };
};
export type FakeChannel = {
  is_private: boolean;
  is_archived: boolean;
  is_ext_shared: boolean;
  /** Whether the bot is in it. */
  is_member: boolean;
  gone?: boolean;
};
export type FakeView = {
  id: string;
  type: 'modal' | 'home';
  callback_id: string;
  private_metadata: string;
  blocks: ViewBlock[];
  title?: { text: string };
  submit?: { text: string };
  close?: { text: string };
};
export type ViewBlock = Block & {
  block_id?: string;
  label?: { text: string };
  optional?: boolean;
  element?: ViewElement;
};
type ViewElement = {
  type: string;
  action_id?: string;
  options?: { value: string }[];
  max_length?: number;
  initial_value?: string;
  initial_option?: { value: string };
  initial_date_time?: number;
};
export type FakeEphemeral = { channel: string; user: string; text: string; blocks: Block[] };
export type FakeFile = { id: string; length: number; bytes?: Buffer; ready: boolean };

export const TEAM = 'T0123456';
export const BOT_USER = 'UCOUNTERSIGN';
const TRIGGER_MS = 3_000;

export function slackState(scopes: ReadonlySet<string>) {
  const triggers = new Map<string, number>();
  const channels = new Map<string, FakeChannel>();
  const refusals: string[] = [];
  let count = 0;
  const state = {
    scopes,
    messages: [] as FakeMessage[],
    ephemerals: [] as FakeEphemeral[],
    /** Modals, as they were opened, pushed or updated last. */
    views: [] as FakeView[],
    /** App Home, by user. */
    homes: new Map<string, FakeView>(),
    users: new Map<string, FakeUser>(),
    usergroups: [] as { id: string; handle: string; name: string; date_delete?: number }[],
    files: new Map<string, FakeFile>(),
    /** How many posts with a new picture are refused first, as Slack does while it looks at the file. */
    slowFiles: 0,
    /** Links that people posted and Slack told of: `ts` and channel of the message, and what was shown under it. */
    shared: [] as { ts: string; channel: string; unfurls?: Record<string, { blocks: Block[] }> }[],
    /** What Slack found wrong with calls of the bot. */
    refusals,
    next(): number {
      count += 1;
      return count;
    },
    ts: () => `1700000000.${String(state.next()).padStart(6, '0')}`,
    /** A channel of that id, made on first sight: private, with the bot in it. Change it to see what the bot does. */
    channel(id: string): FakeChannel {
      const found = channels.get(id);
      if (found) return found;
      const made = {
        is_private: true,
        is_archived: false,
        is_ext_shared: false,
        is_member: true,
      };
      channels.set(id, made);
      return made;
    },
    /** A trigger id as a click carries it; `age` in milliseconds. */
    trigger(age = 0): string {
      const id = `trigger-${state.next()}`;
      triggers.set(id, Date.now() - age);
      return id;
    },
    /** Uses it up. The error, if it is no good. */
    useTrigger(id: string): string | undefined {
      const made = triggers.get(id);
      if (made === undefined) return 'invalid_trigger_id';
      triggers.delete(id);
      return Date.now() - made > TRIGGER_MS ? 'expired_trigger_id' : undefined;
    },
    messageAt: (channel: string | undefined, ts: string | undefined) =>
      state.messages.find((one) => one.ts === ts && one.channel === channel),
  };
  return state;
}

export type SlackState = ReturnType<typeof slackState>;
