import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';

const TYPES = {
  'console.css': 'text/css; charset=utf-8',
  'go-on.js': 'text/javascript; charset=utf-8',
  'live.js': 'text/javascript; charset=utf-8',
  'mark.svg': 'image/svg+xml',
} as const;
type Name = keyof typeof TYPES;

const load = (name: Name): { readonly bytes: Buffer; readonly version: string } => {
  const bytes = readFileSync(path.join(import.meta.dirname, 'assets', name));
  const version = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  return { bytes, version };
};
const FILES = {
  'console.css': load('console.css'),
  'go-on.js': load('go-on.js'),
  'live.js': load('live.js'),
  'mark.svg': load('mark.svg'),
} as const satisfies Record<Name, unknown>;

/** The address changes with the content, so a browser may keep it for ever. */
export const assetUrl = (name: Name): string => `/assets/${FILES[name].version}/${name}`;

export function assetRoutes(app: FastifyInstance): void {
  for (const name of ['console.css', 'go-on.js', 'live.js', 'mark.svg'] as const)
    app.get(assetUrl(name), (_request, reply) =>
      reply
        .type(TYPES[name])
        .header('cache-control', 'public, max-age=31536000, immutable')
        .send(FILES[name].bytes),
    );
}
