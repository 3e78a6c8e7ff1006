import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';

const own = (name: string): string => path.join(import.meta.dirname, 'assets', name);
const JS = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

const load = (file: string, type: string) => {
  const bytes = readFileSync(file);
  const version = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  return { bytes, type, version };
};

const FILES = {
  'console.css': load(own('console.css'), CSS),
  'search.css': load(own('search.css'), CSS),
  'session.css': load(own('session.css'), CSS),
  'go-on.js': load(own('go-on.js'), JS),
  'live.js': load(own('live.js'), JS),
  'session.js': load(own('session.js'), JS),
  'verify.css': load(own('verify.css'), CSS),
  'verify.js': load(own('verify.js'), JS),
  'terminal.js': load(own('terminal.js'), JS),
  'asciinema-player.min.js': load(
    fileURLToPath(import.meta.resolve('asciinema-player/dist/bundle/asciinema-player.min.js')),
    JS,
  ),
  'asciinema-player.css': load(
    fileURLToPath(import.meta.resolve('asciinema-player/dist/bundle/asciinema-player.css')),
    CSS,
  ),
  'mark.svg': load(own('mark.svg'), 'image/svg+xml'),
};
type Name = keyof typeof FILES;
/** Those that a page may ask for beside what every page has. */
export type Script = 'session.js' | 'terminal.js' | 'verify.js';
export type Style = 'search.css' | 'session.css' | 'asciinema-player.css' | 'verify.css';

/** The address changes with the content, so a browser may keep it for ever. */
export const assetUrl = (name: Name): string => `/assets/${FILES[name].version}/${name}`;

export function assetRoutes(app: FastifyInstance): void {
  for (const [name, { bytes, type, version }] of Object.entries(FILES))
    app.get(`/assets/${version}/${name}`, (_request, reply) =>
      reply.type(type).header('cache-control', 'public, max-age=31536000, immutable').send(bytes),
    );
}
