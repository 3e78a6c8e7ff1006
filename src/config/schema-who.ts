import { z } from 'zod';
import { file, key, name } from './keys.ts';

/** Files and commands that say who has to agree. */
export const owners = key(
  file.optional(),
  'File that says who owns which tables, schemas, targets and roles, for `@hold("owner")`: [who owns it](rules.md#who-owns-it). A change there takes effect at once.',
  './owners.yaml',
);

const rota = z
  .strictObject({
    rota: key(
      file.optional(),
      'File with shifts: who is on call, from when until when. A change there takes effect at once.',
      './oncall.yaml',
    ),
    command: key(
      z.string().min(1).optional(),
      'Command that prints the e-mail addresses of who is on call now, one a line. What it printed counts for 60 s; when it fails nobody of it counts.',
      'pager-on-call --schedule primary',
    ),
  })
  .refine(({ rota: by, command }) => (by === undefined) !== (command === undefined), {
    error: 'has to have one of rota and command',
  });

export const oncall = key(
  z.record(name, key(rota, 'One rota.', { rota: './oncall.yaml' })).default({}),
  'Who is on call: `oncall:NAME` in `@hold`, `@escalate` and `@hours` of rules.',
  { primary: { rota: './oncall.yaml' } },
);
