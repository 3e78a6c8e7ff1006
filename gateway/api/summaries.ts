import { z } from 'zod';
import { momentOf } from '#src/audit/search/times.ts';
import type { Asked as Part } from '#src/audit/summary/part.ts';
import { SummarySlow, type Summaries, type Summary } from '#src/audit/summary/summary.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problem.ts';
import { apiReader, recordLook, type Reader } from './reading.ts';
import { maySeeAllRecords } from './rights.ts';
import { noBody, nothing, route, type Route } from './route.ts';

const DAY_MS = 86_400_000;
const MOST_DAYS = 92;

const link = z
  .string()
  .meta({ description: 'The page of the console that shows what is counted.' });
const line = z.object({ value: z.string(), count: z.int(), query: z.string(), link });
const times = z.object({ medianMs: z.int(), p90Ms: z.int() });
const lines = z.array(line).readonly();
const summaryReply = z
  .object({
    from: z.string(),
    to: z.string(),
    behind: z.int(),
    statements: z.int(),
    targets: lines,
    people: lines,
    verdicts: lines,
    held: z.object({
      count: z.int(),
      query: z.string(),
      link,
      decisions: lines,
      times: times.optional(),
      approvers: z
        .array(line.extend({ approved: z.int(), denied: z.int(), ...times.shape }))
        .readonly(),
    }),
    refused: z.array(line.extend({ person: z.string(), target: z.string() })).readonly(),
    breakGlass: z
      .array(
        z.object({
          person: z.string(),
          target: z.string(),
          role: z.string(),
          at: z.string(),
          until: z.string(),
          count: z.int(),
          reviewedBy: z.string().optional(),
          query: z.string(),
          link,
        }),
      )
      .readonly(),
    unusual: z
      .array(
        z.object({
          kind: z.enum(['first-use', 'off-hours', 'statements', 'rows']),
          person: z.string(),
          target: z.string().optional(),
          table: z.string().optional(),
          count: z.int(),
          usual: z.int().optional(),
          at: z.string(),
          query: z.string(),
          link,
        }),
      )
      .readonly(),
  })
  .meta({ id: 'Summary' });

const moment = z.string().min(1).max(40).optional();
const query = z.strictObject({
  from: moment,
  to: moment,
  target: z.string().min(1).max(128).optional(),
});

/** What happened in a time, for whoever may read the records of it: others get a summary of their own acts. */
export const summaryRoute = (deps: HttpDeps): Route =>
  route({
    method: 'GET',
    path: '/summaries',
    summary:
      'What happened, as counts with links: by target, person and verdict; what was held and how fast it was decided; what is unusual. `from` and `to` are times or lengths such as 24h; itself recorded',
    scope: 'read',
    params: nothing,
    query,
    body: noBody,
    reply: summaryReply,
    problems: [422, 503],
    run: async ({ query: asked, caller }) =>
      withLinks(await summaryFor(deps, apiReader(caller), asked), deps.publicUrl),
  });

/** Recorded as a look before anything is read. Throws the 422 for a time that cannot be read, the 503 when it takes too long. */
export async function summaryFor(
  deps: Summing,
  reader: Reader,
  asked: z.output<typeof query>,
): Promise<Summary> {
  const { summaries, part } = await partFor(deps, reader, asked);
  return slowly(() => summaries.summary(part));
}

/** What summing up needs, in the API and in chat. */
export type Summing = Pick<HttpDeps, 'audit' | 'summaries'>;

/** What somebody may have summed up, once their look is recorded; throws as `summaryFor` does. */
export async function partFor(
  deps: Summing,
  reader: Reader,
  asked: z.output<typeof query>,
  now = Date.now(),
): Promise<{ readonly summaries: Summaries; readonly part: Part }> {
  if (!deps.summaries)
    throw new Problem(
      503,
      'no-summary',
      'This gateway keeps no tree over its records, so they are not summed up.',
    );
  const to = asked.to === undefined ? now : timeOf('to', asked.to, now);
  const from = asked.from === undefined ? to - DAY_MS : timeOf('from', asked.from, now);
  if (from >= to || to - from > MOST_DAYS * DAY_MS)
    throw new Problem(
      422,
      'bad-time',
      `Ask for a time that ends after it begins, of ${MOST_DAYS} days at most.`,
    );
  const { target } = asked;
  await recordLook(deps, reader, {
    looked: 'summary',
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    ...(target !== undefined && { target }),
  });
  const person = maySeeAllRecords(reader.person) ? undefined : reader.person.email;
  return { summaries: deps.summaries, part: { from, to, target, person } };
}

/** Throws the 503 of what took too long. */
export async function slowly<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SummarySlow)) throw error;
    throw new Problem(503, 'too-slow', `${capital(error.message)}.`);
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function timeOf(name: string, text: string, now: number): number {
  const at = momentOf(text, now);
  if (at !== undefined) return at;
  throw new Problem(
    422,
    'bad-time',
    `${name} is a time such as 2026-11-20T14:00Z, or a length such as 24h.`,
  );
}

type Query = { readonly query: string };
type Linked<T> = T & { readonly link: string };

/** Each line with the page of the console that shows what it counts. */
function withLinks(summary: Summary, publicUrl: string): z.input<typeof summaryReply> {
  const linked = <T extends Query>(one: T): Linked<T> => ({
    ...one,
    link: `${publicUrl}/records?q=${encodeURIComponent(one.query)}`,
  });
  const { targets, people, verdicts, held, refused, breakGlass, unusual } = summary;
  return {
    ...summary,
    targets: targets.map(linked),
    people: people.map(linked),
    verdicts: verdicts.map(linked),
    held: {
      ...linked(held),
      decisions: held.decisions.map(linked),
      approvers: held.approvers.map(linked),
    },
    refused: refused.map(linked),
    breakGlass: breakGlass.map(linked),
    unusual: unusual.map(linked),
  };
}
