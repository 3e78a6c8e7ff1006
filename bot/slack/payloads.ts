import { z } from 'zod';
import type { Account } from '../desk.ts';

const User = z.object({ id: z.string(), team_id: z.string().optional() });
const Team = z.object({ id: z.string() });
const Sender = { user: User, team: Team };

export const Click = z.object({
  ...Sender,
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
type Answered = z.infer<typeof Answered>;
export const Submission = z.object({
  ...Sender,
  trigger_id: z.string().optional(),
  view: z.object({
    callback_id: z.string(),
    private_metadata: z.string(),
    state: z.object({ values: z.record(z.string(), z.record(z.string(), Answered)) }),
  }),
});
export const Suggestion = z.object({ ...Sender, action_id: z.string(), value: z.string() });
export const Command = z.object({
  command: z.string(),
  text: z.string().default(''),
  user_id: z.string(),
  team_id: z.string(),
  channel_id: z.string(),
  trigger_id: z.string(),
});
export const Shortcut = z.object({
  ...Sender,
  callback_id: z.string(),
  trigger_id: z.string(),
});
/** What a modal carries through Slack: the form's own, and where to answer who sent it. */
export const Metadata = z.object({ state: z.string(), channel: z.string().optional() });

/** Around an event. `authorizations` says which bot user we are. */
export const EventBody = z.object({
  team_id: z.string(),
  authorizations: z.array(z.object({ user_id: z.string() })).default([]),
  /** Of a channel that people of other organisations read. */
  is_ext_shared_channel: z.boolean().default(false),
});
export const HomeOpened = z.object({ user: z.string(), tab: z.string() });
/** What somebody wrote: in a channel, with our name; or to us alone. */
export const Written = z.object({
  user: z.string(),
  channel: z.string(),
  text: z.string().max(40_000),
  thread_ts: z.string().optional(),
});
export const Reaction = z.object({
  user: z.string(),
  reaction: z.string().max(200),
  item: z.object({ type: z.literal('message'), channel: z.string(), ts: z.string() }),
  item_user: z.string(),
  /** Seconds since the epoch. */
  event_ts: z.string().regex(/^\d{1,11}(\.\d+)?$/),
});
export const LinkShared = z.object({
  channel: z.string(),
  message_ts: z.string(),
  unfurl_id: z.string().optional(),
  source: z.string().optional(),
  links: z.array(z.object({ url: z.string() })).max(100),
});

export const accountOf = ({
  user,
  team,
}: {
  readonly user: z.infer<typeof User>;
  readonly team: z.infer<typeof Team>;
}): Account => ({ platform: 'slack', workspace: user.team_id ?? team.id, user: user.id });

/** A form's answers as text, by the id of their field. */
export function valuesOf(
  blocks: Readonly<Record<string, Readonly<Record<string, Answered>>>>,
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

const SIGNS: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };

/**
 * What somebody wrote, as they typed it: Slack marks addresses (`<mailto:a@b.c|a@b.c>`), links and channels up, and
 * escapes three signs. Without `bot`, our own name. https://docs.slack.dev/messaging/formatting-message-text
 */
export function typedText(text: string, bot?: string): string {
  const unnamed = bot === undefined ? text : text.replaceAll(`<@${bot}>`, ' ');
  return unnamed
    .replaceAll(/<([^<>|]*)(?:\|([^<>]*))?>/g, (_, to: string, label?: string) => {
      if (to.startsWith('#')) return `#${label ?? to.slice(1)}`;
      if (to.startsWith('@')) return `@${label ?? to.slice(1)}`;
      return label !== undefined && to.includes(label) ? label : to.replace(/^mailto:/, '');
    })
    .replaceAll(/&(?:lt|gt|amp);/g, (sign) => SIGNS[sign] ?? sign)
    .trim();
}
