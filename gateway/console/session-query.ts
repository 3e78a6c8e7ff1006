import { z } from 'zod';
import type { TimelineQuery } from '#src/audit/timeline.ts';
import type { SessionFilter } from '#src/store/session-list.ts';

/** What cannot be read counts as not given: a link from elsewhere still opens the page. */
const id = z.uuid().optional().catch(undefined);
const word = z.string().trim().min(1).max(200).optional().catch(undefined);

export const sessionQuery = z.object({
  verdict: z.enum(['allow', 'hold', 'deny']).optional().catch(undefined),
  /** Ids of the first record of a step. */
  after: id,
  before: id,
  /** A statement: the page that begins with it, or only that one with all its rows. */
  at: id,
  statement: id,
  part: z.enum(['first', 'last']).optional().catch(undefined),
});
export type SessionQuery = z.output<typeof sessionQuery>;

/** Of a session that goes on, the newest part is what people come for. */
export function timelineQuery(
  { verdict, after, before, at, statement, part }: SessionQuery,
  running: boolean,
): Omit<TimelineQuery, 'limit'> & { readonly statement?: string } {
  if (statement !== undefined) return { statement };
  const place =
    after !== undefined
      ? { after }
      : before !== undefined
        ? { before }
        : at !== undefined && { at };
  return {
    ...(verdict && { verdict }),
    ...(place || { latest: part === 'last' || (running && part !== 'first') }),
  };
}

export const sessionsQuery = z.object({
  state: z.enum(['running', 'ended', 'all']).optional().catch(undefined),
  target: word,
  person: word,
  before: id,
});
export type SessionsQuery = z.output<typeof sessionsQuery>;

export const sessionsFilter = ({
  state = 'running',
  target,
  person,
  before,
}: SessionsQuery): Omit<SessionFilter, 'limit'> => ({
  ...(state !== 'all' && { state }),
  ...(target !== undefined && { target }),
  ...(person !== undefined && { person }),
  ...(before !== undefined && { before }),
});
