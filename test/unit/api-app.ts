import { after } from 'node:test';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import { buildHttp } from '#gateway/api/listener.ts';
import { makeWorld, type World } from './api-fakes.ts';

const opened: FastifyInstance[] = [];
after(() => Promise.all(opened.map((app) => app.close())));

/** The whole application over fakes; `lines` collects what it logs. */
export async function start({
  lines,
  world = makeWorld(),
}: { lines?: string[]; world?: World } = {}): Promise<World & { app: FastifyInstance }> {
  const log = lines
    ? pino({}, { write: (line: string) => lines.push(line) })
    : pino({ level: 'silent' });
  const app = await buildHttp({ ...world.deps, log });
  opened.push(app);
  return Object.assign(world, { app });
}

export const as = (token: string, options: InjectOptions): InjectOptions => ({
  ...options,
  headers: { authorization: `Bearer ${token}`, ...options.headers },
});
export const get = (token: string, url: string): InjectOptions =>
  as(token, { method: 'GET', url: `/api/v1${url}` });
export const decide = (token: string, id: string, payload: object): InjectOptions =>
  as(token, { method: 'POST', url: `/api/v1/requests/${id}/decision`, payload });
