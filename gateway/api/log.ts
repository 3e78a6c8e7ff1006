import type { FastifyInstance } from 'fastify';
import type { Tree } from '#src/audit/tree/reader.ts';
import { notFound } from './problem.ts';

const IMMUTABLE = 'public, max-age=31536000, immutable';

/** The log as static files (C2SP tlog-tiles) below `/log/`: commitments to records, and nothing of what they say. */
export function registerLog(app: FastifyInstance, tree: Tree): void {
  app.get<{ Params: { '*': string } }>('/log/*', async (request, reply) => {
    const name = request.params['*'];
    const bytes = await tree.file(name);
    if (!bytes) throw notFound('file of the log');
    const checkpoint = name === 'checkpoint';
    return reply
      .header('cache-control', checkpoint ? 'no-cache' : IMMUTABLE)
      .type(checkpoint ? 'text/plain; charset=utf-8' : 'application/octet-stream')
      .send(bytes);
  });
}
