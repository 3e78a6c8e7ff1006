import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticate } from './authenticate.ts';
import type { HttpDeps } from './deps.ts';

const LOOPBACK = /^(?:::1|(?:::ffff:)?127\.[\d.]+)$/u;
const LOOPBACK_HOST = /^(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/iu;
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * `/metrics` in Prometheus' text format: counts by target, no statement and no person. It needs a token with `read`.
 * Only where the gateway is for this machine alone (`publicUrl` is a loopback address) this machine may read it
 * without one: behind a proxy everybody comes from there.
 */
export function metricsRoute(
  app: FastifyInstance,
  { metrics, publicUrl }: Pick<HttpDeps, 'metrics' | 'publicUrl'>,
  authenticate: Authenticate,
): void {
  const local = LOOPBACK_HOST.test(new URL(publicUrl).host);
  app.get('/metrics', async (request, reply) => {
    if (!local || !isFromHere(request)) await authenticate(request, 'read');
    return reply.type(metrics.contentType).send(await metrics.expose());
  });
}

/** A page of another site that has its name resolve to this machine sends its own name as the host. */
function isFromHere({ socket, headers }: FastifyRequest): boolean {
  return (
    LOOPBACK.test(socket.remoteAddress ?? '') &&
    LOOPBACK_HOST.test(headers.host ?? '') &&
    FORWARDED.every((name) => headers[name] === undefined)
  );
}
