import { z } from 'zod';

/** Ids become part of a path: nothing that leads elsewhere. */
const id = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => !/^\.{1,2}$/.test(text) && !text.includes('\0'));
const guid = z.guid().transform((text) => text.toLowerCase());
const tenant = z.object({ id: guid });

/** What of an activity of Teams counts here; anything else is not read. https://aka.ms/bot-framework-activity-schema */
export const Activity = z.object({
  type: z.string(),
  id: id.optional(),
  name: z.string().optional(),
  channelId: z.literal('msteams'),
  serviceUrl: z.string().max(1_000),
  timestamp: z.string().optional(),
  localTimezone: z.string().max(100).optional(),
  from: z.object({ id, aadObjectId: guid.optional(), role: z.string().optional() }),
  recipient: z.object({ id }),
  conversation: z.object({
    id,
    tenantId: guid.optional(),
    conversationType: z.string().optional(),
  }),
  channelData: z.object({ tenant: tenant.optional() }).optional(),
  replyToId: id.optional(),
  text: z.string().max(20_000).optional(),
  value: z.unknown().optional(),
  entities: z
    .array(
      z.object({
        type: z.string(),
        text: z.string().optional(),
        mentioned: z.object({ id: z.string() }).optional(),
      }),
    )
    .optional()
    .catch(undefined),
  membersAdded: z.array(z.object({ id: z.string() })).optional(),
  membersRemoved: z.array(z.object({ id: z.string() })).optional(),
  action: z.string().optional(),
  reactionsAdded: z.array(z.object({ type: z.string().max(100) })).optional(),
  reactionsRemoved: z.array(z.object({ type: z.string().max(100) })).optional(),
});
export type Activity = z.infer<typeof Activity>;

/** The tenant that it comes from; undefined when it names none, or two. */
export function tenantOf({ conversation, channelData }: Activity): string | undefined {
  const named = [conversation.tenantId, channelData?.tenant?.id].filter((one) => one !== undefined);
  return new Set(named).size === 1 ? named[0] : undefined;
}

/** A thread of a channel is `19:…@thread.tacv2;messageid=…`: the channel is what stands in the configuration. */
export const placeOf = (conversation: string): string => conversation.split(';', 1)[0] ?? '';

/** What was written, without the bot's own name. */
export function saidIn({ text = '', entities = [], recipient }: Activity): string {
  const own = entities.filter(
    (one) => one.type === 'mention' && one.mentioned?.id === recipient.id,
  );
  return own
    .reduce((left, { text: name = '' }) => (name === '' ? left : left.replace(name, ' ')), text)
    .replaceAll('&nbsp;', ' ')
    .replaceAll('\u00a0', ' ')
    .trim();
}
