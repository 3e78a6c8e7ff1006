import { Readable } from 'node:stream';
import { z } from 'zod';
import { FACETS } from '#src/audit/search/counts.ts';
import type { Found } from '#src/audit/search/search.ts';
import type { HttpDeps } from './deps.ts';
import { exportRecords, exportQuery } from './exporting.ts';
import { apiReader, searchRecords } from './reading.ts';
import { noBody, nothing, parse, route, type Description, type Route } from './route.ts';
import { idParams, recordReply } from './schemas.ts';
import { countRecords, findRecords } from './searching.ts';
import { addView, changeView, readView, removeView, viewForm, viewsOf } from './viewing.ts';

const texts = z.array(z.string()).readonly();
const count = z.object({ value: z.string(), count: z.int() });

/** A record that was found, with what became of it. */
const foundReply = recordReply
  .extend({
    index: z.int().optional(),
    verdicts: texts.optional(),
    decision: z.string().optional(),
    decidedBy: texts.optional(),
    decidedAt: z.string().optional(),
    effects: texts.optional(),
    tables: texts.optional(),
    masked: texts.optional(),
    rows: z.int().optional(),
    durationMs: z.number().optional(),
    waitedMs: z.number().optional(),
    code: z.string().optional(),
  })
  .meta({ id: 'FoundRecord' });

const bins = z.array(z.object({ at: z.string(), count: z.int() })).readonly();
const histogram = z.object({ from: z.string(), to: z.string(), binMs: z.int(), bins });
const facets = z.object(
  Object.fromEntries(FACETS.map((name) => [name, z.array(count).readonly()])),
);
const viewReply = z
  .object({
    id: z.string(),
    name: z.string(),
    owner: z.string(),
    query: z.string(),
    groups: texts,
    channel: z.string().optional(),
  })
  .meta({ id: 'View' });

const q = z.string().max(1_000).default('');

/** Both halves of what was found, as one object. */
export const flat = ({ record, ...more }: Found): z.input<typeof foundReply> => ({
  ...record,
  ...more,
});

export function searchRoutes(deps: HttpDeps): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/records',
      summary:
        'Search the records that you may see, newest first (docs/search.md); the search is itself recorded',
      scope: 'read',
      params: nothing,
      query: z.strictObject({
        q,
        limit: z.coerce.number().int().min(1).max(500).default(50),
        cursor: z.string().max(40).optional(),
      }),
      body: noBody,
      reply: z.object({
        records: z.array(foundReply).readonly(),
        newer: z.string().optional(),
        older: z.string().optional(),
      }),
      problems: [],
      run: async ({ query, caller }) => {
        const reader = apiReader(caller);
        const { cursor, ...asked } = query;
        if (!deps.search)
          return { records: await searchRecords(deps, reader, asked.q, asked.limit) };
        const page = await findRecords(deps, reader, {
          ...asked,
          ...(cursor !== undefined && { cursor }),
        });
        const { found, ...cursors } = page;
        return { records: found.map(flat), ...cursors };
      },
    }),
    route({
      method: 'GET',
      path: '/records/facets',
      summary: 'What a search finds, counted by target, person, verdict, effect, kind and table',
      scope: 'read',
      params: nothing,
      query: z.strictObject({ q }),
      body: noBody,
      reply: z.object({ total: z.int(), since: z.string().optional(), facets }),
      problems: [],
      run: ({ query, caller }) => countRecords(deps, apiReader(caller), query.q),
    }),
    route({
      method: 'GET',
      path: '/records/histogram',
      summary: 'What a search finds, counted over time',
      scope: 'read',
      params: nothing,
      query: z.strictObject({ q }),
      body: noBody,
      reply: z.object({ total: z.int(), since: z.string().optional(), histogram }),
      problems: [],
      run: ({ query, caller }) => countRecords(deps, apiReader(caller), query.q),
    }),
    ...viewRoutes(deps),
    exportRoute(deps),
  ];
}

function viewRoutes(deps: HttpDeps): readonly Route[] {
  const common = { scope: 'read', query: nothing } as const;
  return [
    route({
      ...common,
      method: 'GET',
      path: '/views',
      summary: 'Searches that you keep, and those that are shared with your groups',
      params: nothing,
      body: noBody,
      reply: z.object({ views: z.array(viewReply).readonly() }),
      problems: [],
      run: async ({ caller }) => ({ views: await viewsOf(deps).list(caller.person) }),
    }),
    route({
      ...common,
      method: 'POST',
      path: '/views',
      summary: 'Keep a search; the change is recorded',
      params: nothing,
      body: viewForm,
      reply: viewReply,
      problems: [409],
      run: ({ body, caller }) => addView(deps, apiReader(caller), body),
    }),
    route({
      ...common,
      method: 'GET',
      path: '/views/{id}',
      summary: 'One kept search',
      params: idParams,
      body: noBody,
      reply: viewReply,
      problems: [404],
      run: ({ params, caller }) => readView(deps, caller.person, params.id),
    }),
    route({
      ...common,
      method: 'POST',
      path: '/views/{id}',
      summary: 'Change a search that you keep; the change is recorded',
      params: idParams,
      body: viewForm,
      reply: viewReply,
      problems: [403, 404, 409],
      run: ({ params, body, caller }) => changeView(deps, apiReader(caller), params.id, body),
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/views/{id}',
      summary: 'Forget a search that you keep; the change is recorded',
      params: idParams,
      body: noBody,
      reply: z.object({}),
      problems: [403, 404],
      run: async ({ params, caller }) => {
        await removeView(deps, apiReader(caller), params.id);
        return {};
      },
    }),
  ];
}

const description: Description = {
  method: 'GET',
  path: '/records/export',
  summary:
    'What a search finds, as CSV or as a JSON object a line, there with the proof of each record if asked for; the export is itself recorded',
  scope: 'read',
  params: nothing,
  query: exportQuery,
  body: noBody,
  reply: z.string(),
  media: 'application/x-ndjson',
  problems: [],
};

/** Streams: the next page is read when the one before has been taken. */
function exportRoute(deps: HttpDeps): Route {
  return {
    description,
    register(app, authenticate) {
      app.get('/records/export', async (request, reply) => {
        const caller = await authenticate(request, 'read');
        const asked = parse(exportQuery, request.query, 'query');
        const lines = await exportRecords(deps, apiReader(caller), asked);
        return reply
          .type(asked.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson')
          .header('content-disposition', `attachment; filename="records.${asked.format}"`)
          .send(Readable.from(lines, { objectMode: true, highWaterMark: 16 }));
      });
    },
  };
}
