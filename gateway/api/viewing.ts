import { z } from 'zod';
import { parseQuery } from '#src/audit/search/query.ts';
import { NameTaken, type NewView, type View, type Views } from '#src/audit/search/views.ts';
import type { Person } from '#src/identity/person.ts';
import type { HttpDeps } from './deps.ts';
import { notFound, Problem } from './problem.ts';
import type { Reader } from './reading.ts';
import { mayAdminister, maySeeAllRecords } from './rights.ts';
import { problemLine } from './searching.ts';

const seen = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

/** Empty lists and a channel left out mean: shared with nobody, and nobody is told. */
export const viewForm = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1, 'give it a name')
    .max(80)
    .regex(seen, 'holds a character that cannot be seen'),
  query: z
    .string()
    .trim()
    .max(1_000)
    .superRefine((text, context) => {
      const parsed = parseQuery(text, Date.now());
      if (parsed.ok) return;
      for (const problem of parsed.problems)
        context.addIssue({ code: 'custom', message: problemLine(problem) });
    }),
  groups: z.array(z.string().min(1).max(100)).max(20).default([]),
  channel: z.string().min(1).max(100).optional(),
});

/** Throws the 503 of a gateway that does not search. */
export function viewsOf({ views }: Pick<HttpDeps, 'views'>): Views {
  if (views) return views;
  throw new Problem(
    503,
    'no-search',
    'This gateway keeps no tree over its records, so no searches either.',
  );
}

export async function readView(deps: HttpDeps, person: Person, id: string): Promise<View> {
  const view = await viewsOf(deps).get(person, id);
  if (!view) throw notFound('view');
  return view;
}

export async function addView(
  deps: HttpDeps,
  { person, via }: Reader,
  form: z.output<typeof viewForm>,
): Promise<View> {
  const made = allowed(deps, person, form);
  return viewsOf(deps).add(person, made, via).catch(taken);
}

export async function changeView(
  deps: HttpDeps,
  { person, via }: Reader,
  id: string,
  form: z.output<typeof viewForm>,
): Promise<View> {
  const view = await readView(deps, person, id);
  if (view.owner !== person.email)
    throw new Problem(403, 'not-yours', 'Only its owner changes a view. Keep one of your own.');
  return viewsOf(deps)
    .change(person, view, allowed(deps, person, form), via)
    .catch(taken);
}

export async function removeView(
  deps: HttpDeps,
  { person, via }: Reader,
  id: string,
): Promise<void> {
  const view = await readView(deps, person, id);
  if (view.owner !== person.email && !mayAdminister(person))
    throw new Problem(403, 'not-yours', 'Only its owner, or somebody of security, forgets a view.');
  await viewsOf(deps).remove(person, view, via);
}

/** Shared with one's own groups only; a channel is told only by who reads every record. */
function allowed(
  deps: HttpDeps,
  person: Person,
  { channel, ...form }: z.output<typeof viewForm>,
): NewView {
  const foreign = form.groups.filter((group) => !person.groups.includes(group));
  if (foreign.length > 0)
    throw new Problem(
      422,
      'not-your-group',
      `You are not in ${foreign.join(', ')}. Share a view with groups that you are in.`,
    );
  if (channel === undefined) return form;
  if (!maySeeAllRecords(person))
    throw new Problem(
      403,
      'no-alerts',
      'Only whoever may read every record lets a channel be told of them. Leave the channel out.',
    );
  if (!deps.channels?.().includes(channel))
    throw new Problem(
      422,
      'no-channel',
      `There is no channel ${channel} in the configuration. Name one of chat.channels.`,
    );
  return { ...form, channel };
}

function taken(error: unknown): never {
  if (error instanceof NameTaken)
    throw new Problem(409, 'name-taken', 'You keep a view of this name. Choose another name.');
  throw error;
}
