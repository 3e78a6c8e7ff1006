import { z } from 'zod';
import type { HttpDeps } from './deps.ts';
import { apiReader, readProof, readRecord } from './reading.ts';
import { noBody, nothing, route, type Route } from './route.ts';
import { searchRoutes } from './search.ts';
import { idParams, recordReply } from './schemas.ts';

export function recordRoutes(deps: HttpDeps): readonly Route[] {
  return [
    ...searchRoutes(deps),
    route({
      method: 'GET',
      path: '/records/{id}',
      summary: 'One record; a look at somebody else’s is itself recorded',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: recordReply,
      problems: [404],
      run: ({ params, caller }) => readRecord(deps, apiReader(caller), params.id),
    }),
    route({
      method: 'GET',
      path: '/records/{id}/proof',
      summary:
        'The proof of a record (C2SP tlog-proof), for whoever may see it; 409 until it is signed',
      scope: 'read',
      params: idParams,
      query: nothing,
      body: noBody,
      reply: z.string(),
      media: 'text/plain',
      problems: [404, 409],
      run: ({ params, caller }) => readProof(deps, apiReader(caller), params.id),
    }),
  ];
}
