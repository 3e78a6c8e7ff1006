import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { parseQuery } from '#src/audit/search/query.ts';
import { demandScope, type Caller } from '../api/authenticate.ts';
import { exportQuery, exportRecords } from '../api/exporting.ts';
import { Problem } from '../api/problem.ts';
import { maySeeAllRecords } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import { idParams } from '../api/schemas.ts';
import { countRecords, findRecords } from '../api/searching.ts';
import { addView, readView, removeView, viewForm, viewsOf } from '../api/viewing.ts';
import { href, recordsQuery, recordsSearch, type RecordsQuery } from './filters.ts';
import type { Page } from './layout.ts';
import { searchPage, viewsPage, type SearchView } from './pages/search.ts';
import type { ConsoleParts } from './parts.ts';

const SHOWN = 50;

type MakePage = (
  path: string,
  make: (caller: Caller, request: FastifyRequest, reply: FastifyReply) => Promise<Page>,
) => void;

const keepForm = z.strictObject({
  csrf: z.string(),
  query: z.string().max(1_000),
  name: z.string().max(200),
  group: z.string().max(100).default(''),
  channel: z.string().max(100).default(''),
});

/** Searching with counts and views, and taking what was found along. */
export function searchPages(app: FastifyInstance, parts: ConsoleParts, page: MakePage): void {
  const { deps, guard, render } = parts;
  page('/records', (caller, request, reply) => {
    const query = parse(recordsQuery, request.query, 'query');
    return view(parts, caller, { q: wholeSearch(query), cursor: query.cursor, request, reply });
  });
  page('/views', async ({ person }, request, reply) =>
    viewsPage(await viewsOf(deps).list(person), person.email, render.formToken(request, reply)),
  );
  app.get('/views/:id', async (request, reply) => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
    const { id } = parse(idParams, request.params, 'path');
    const { query } = await readView(deps, caller.person, id);
    return reply.redirect(href('/records', { q: query }), 303);
  });
  app.get('/records/export', async (request, reply) => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
    // The API asks for this scope of whoever comes with a token, so the console does too.
    demandScope(caller.scopes, 'read');
    const asked = parse(exportQuery, request.query, 'query');
    const lines = await exportRecords(deps, { person: caller.person, via: 'console' }, asked);
    return reply
      .type(asked.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson')
      .header('content-disposition', `attachment; filename="records.${asked.format}"`)
      .send(Readable.from(lines, { objectMode: true, highWaterMark: 16 }));
  });
  app.post('/views', (request, reply) => keepRoute(parts, request, reply));
  app.post('/views/:id/forget', async (request, reply) => {
    const caller = await guard.signedIn(request);
    if (!caller) return reply.redirect('/sign-in?next=%2Frecords', 303);
    const { id } = parse(idParams, request.params, 'path');
    const { csrf } = parse(z.strictObject({ csrf: z.string() }), request.body, 'form');
    guard.demandOwnForm(request, csrf);
    await removeView(deps, { person: caller.person, via: 'console' }, id);
    return reply.redirect('/views', 303);
  });
}

/** Fields of links that were made before there was a language for all of it. */
function wholeSearch(query: RecordsQuery): string {
  const { from, to } = query;
  const day = 86_400_000;
  const until = to && new Date(Date.parse(to) + day).toISOString().slice(0, 10);
  return [recordsSearch(query), from && `after:${from}`, until && `before:${until}`]
    .filter((each) => each !== undefined && each !== '')
    .join(' ');
}

type Asked = {
  readonly q: string;
  readonly cursor?: string | undefined;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly refused?: string;
};

async function view(parts: ConsoleParts, caller: Caller, asked: Asked): Promise<Page> {
  const { deps, render } = parts;
  const { person } = caller;
  const { q, cursor, request, reply, refused } = asked;
  const common: Omit<SearchView, 'problems'> = {
    q,
    first: cursor === undefined,
    views: await viewsOf(deps).list(person),
    email: person.email,
    groups: person.groups,
    channels: maySeeAllRecords(person) ? (deps.channels?.() ?? []) : [],
    formToken: render.formToken(request, reply),
    refused,
  };
  const parsed = parseQuery(q, Date.now());
  if (!parsed.ok) return searchPage({ ...common, problems: parsed.problems });
  const reader = { person, via: 'console' } as const;
  const found = await findRecords(deps, reader, {
    q,
    limit: SHOWN,
    ...(cursor !== undefined && { cursor }),
  });
  const counts = await countRecords(deps, reader, q);
  return searchPage({ ...common, problems: [], page: found, counts, usual: parsed.query.usual });
}

async function keepRoute(
  parts: ConsoleParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { deps, guard, render } = parts;
  const caller = await guard.signedIn(request);
  if (!caller) return reply.redirect('/sign-in?next=%2Frecords', 303);
  const { csrf, group, channel, ...form } = parse(keepForm, request.body, 'form');
  guard.demandOwnForm(request, csrf);
  try {
    const asked = parse(
      viewForm,
      { ...form, groups: group === '' ? [] : [group], ...(channel !== '' && { channel }) },
      'view',
    );
    await addView(deps, { person: caller.person, via: 'console' }, asked);
    return await reply.redirect('/views', 303);
  } catch (error) {
    // Said on the page that it was asked from.
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    const page = await view(parts, caller, {
      q: form.query,
      request,
      reply,
      refused: error.message,
    });
    return render.page(request, reply, page, { status: error.status, caller });
  }
}
