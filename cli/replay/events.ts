import { z } from 'zod';
import type { RecordingEvent } from '#src/recording/port.ts';
import { Failure } from '../failure.ts';

const of = { t: z.number(), s: z.string().exactOptional() };
const said = {
  ...of,
  severity: z.string(),
  code: z.string(),
  message: z.string(),
  detail: z.string().exactOptional(),
  hint: z.string().exactOptional(),
};

const event: z.ZodType<RecordingEvent> = z.discriminatedUnion('k', [
  z.object({
    t: z.number(),
    k: z.literal('statement'),
    id: z.string(),
    text: z.string(),
    verdict: z.enum(['allow', 'hold', 'deny', 'approved']),
  }),
  z.object({ ...of, k: z.literal('columns'), names: z.array(z.string()) }),
  z.object({ ...of, k: z.literal('row'), cells: z.array(z.string().nullable()) }),
  z.object({
    ...of,
    k: z.literal('rest'),
    rows: z.number().exactOptional(),
    bytes: z.number(),
    digest: z.string().exactOptional(),
  }),
  z.object({ ...of, k: z.literal('sent'), bytes: z.number(), digest: z.string() }),
  z.object({ ...said, k: z.literal('error') }),
  z.object({ ...said, k: z.literal('notice') }),
  z.object({
    ...of,
    k: z.literal('end'),
    tag: z.string().exactOptional(),
    rows: z.number(),
    ms: z.number(),
  }),
  z.object({
    t: z.number(),
    k: z.literal('gap'),
    reason: z.enum(['dropped', 'missing', 'changed', 'erased', 'locked', 'lost']),
    chunk: z.number().exactOptional(),
    count: z.number().exactOptional(),
  }),
]);

/** One line of a recording of SQL. Throws `Failure` for anything else. */
export function eventOf(line: string): RecordingEvent {
  try {
    return event.parse(JSON.parse(line));
  } catch (cause) {
    throw new Failure('this is no recording that this version can show', {
      hint: 'are the command and the gateway of the same version? --json prints it as it is',
      cause,
    });
  }
}
