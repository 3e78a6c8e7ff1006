import { z } from 'zod';
import { parseDays } from './units.ts';
import { key } from './keys.ts';

const keep = z.string().refine((text) => parseDays(text) !== undefined, {
  error: (issue) =>
    `${JSON.stringify(issue.input)} is not a number of days up to 36500: write 400d`,
});

const rule = z.strictObject({
  target: key(
    z.string().regex(/^[\w.*-]{1,63}$/u, 'the name of a target, or a part of one with *'),
    'A target, or with `*` for any part of its name. `*` also fits what belongs to no target: sign-ins, tokens, looks.',
    'prod-*',
  ),
  kind: key(
    z.enum(['records', 'recordings']),
    'What: `records`, with cards and all that repeats them, or `recordings` of sessions.',
    'recordings',
  ),
  keep: key(keep, 'For how many days.', '90d'),
});

const EXAMPLE = { target: 'prod-*', kind: 'recordings', keep: '90d' };

/** How long what is kept. */
export const retention = z
  .array(key(rule, 'One rule; of several that fit, the first counts.', EXAMPLE))
  .default([]);
