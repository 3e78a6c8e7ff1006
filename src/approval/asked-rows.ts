import { z } from 'zod';

const EscalationRow = z.object({
  afterMs: z.number(),
  group: z.string(),
  channel: z.string().exactOptional(),
});

/** One group of a requirement. */
export const AskedRow = z.object({
  group: z.string(),
  quorum: z.number().int().min(1),
  stage: z.number().int().exactOptional(),
  hours: z.object({ text: z.string(), timeZone: z.string(), outside: z.string() }).exactOptional(),
  escalate: z.array(EscalationRow).exactOptional(),
  owns: z.array(z.string()).exactOptional(),
  channels: z.array(z.string()).exactOptional(),
});

export const EscalatedRow = EscalationRow.extend({
  of: z.string(),
  stage: z.number(),
  at: z.coerce.date().transform((date) => date.toISOString()),
});
