import type { FastifyInstance } from 'fastify';
import { Problem } from './problem.ts';

/** Whether new sessions and statements can be served. Without names of targets: everybody may ask. */
export type Readiness = {
  /** Without these nothing can be served. */
  readonly missing: readonly string[];
  /** Something does not work, and the rest does: taking this gateway out of rotation would help nobody. */
  readonly warnings: readonly string[];
};

/** `/healthz`: the process answers; it looks at nothing. `/readyz`: 200, or 503 with the list of what is missing. */
export function healthRoutes(app: FastifyInstance, ready: () => Promise<Readiness>): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async () => {
    const { missing, warnings } = await ready();
    if (missing.length > 0)
      throw new Problem(503, 'not-ready', `Not ready: ${missing.join('; ')}.`, missing);
    return { status: 'ready', ...(warnings.length > 0 && { warnings }) };
  });
}
