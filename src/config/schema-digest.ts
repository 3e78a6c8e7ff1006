import { z } from 'zod';
import { duration, key, name, timeZone } from './keys.ts';
import { parseSchedule } from './schedule.ts';

const schedule = z.string().refine((text) => parseSchedule(text) !== undefined, {
  error: (issue) =>
    `${JSON.stringify(issue.input)} is not a time to post at: write daily 08:30, Mon-Fri 09:00, weekly Mon 09:00 or 08:00,20:00`,
});

/** A summary that a channel gets by the clock. */
export const digest = z.strictObject({
  channel: key(name, 'A channel under `chat.channels`.', 'db-approvals'),
  at: key(
    schedule,
    'When: `daily 08:30`, `Mon-Fri 09:00`, `weekly Mon 09:00`, or the times when a shift ends, `08:00,20:00`.',
    'Mon-Fri 09:00',
  ),
  timeZone: key(timeZone.default('UTC'), 'Whose clock that is.', 'Europe/Berlin'),
  target: key(
    z.string().regex(/^[\w.*-]{1,128}$/, 'a target, or a pattern such as prod-*'),
    'What the channel may see: a target, or a pattern with `*`; `*` alone is all of them.',
    'prod-*',
  ),
  covers: key(duration.optional(), 'How far back it looks; default: to the digest before.', '24h'),
});
