import { randomUUID } from 'node:crypto';
import fastifyCookie from '@fastify/cookie';
import fastify, { LogController, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Address } from '#src/config/config.ts';
import type { UsePem } from '../tls.ts';
import { Guard } from '../console/guard.ts';
import { makeRender } from '../console/render.ts';
import { registerConsole } from '../console/routes.ts';
import { SignIns } from '../console/sign-ins.ts';
import { registerOauth } from '../oauth/routes.ts';
import { absenceRoutes } from './absences.ts';
import { makeAuthenticate } from './authenticate.ts';
import type { HttpDeps, HttpOptions } from './deps.ts';
import { Failures } from './failures.ts';
import { httpsFactory } from './listener/https.ts';
import { grantRoutes } from './grants.ts';
import { holdRoutes } from './holds.ts';
import { healthRoutes } from './health.ts';
import { registerLog } from './log.ts';
import { metricsRoute } from './metrics.ts';
import { openApi } from './openapi.ts';
import { causeOf, notFound, type Problem, toProblem } from './problem.ts';
import { recordingRoute } from './recording.ts';
import { recordRoutes } from './records.ts';
import { registerScim } from '../scim/routes.ts';
import { requestRoutes } from './requests.ts';
import type { Route } from './route.ts';
import { sessionRoutes } from './sessions.ts';
import { summaryRoute } from './summaries.ts';
import { talkRoutes } from './talk.ts';
import { chatAccountRoutes } from './chat-accounts.ts';
import { tokenRoutes } from './tokens.ts';

const BODY_BYTES = 16_384;

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

/** The whole HTTP application without its port, so that tests can inject into it. */
export async function buildHttp(options: HttpOptions, tls?: UsePem): Promise<FastifyInstance> {
  const { log, ...deps } = options;
  const app: FastifyInstance = fastify({
    loggerInstance: log,
    ...(tls && { serverFactory: httpsFactory(tls) }),
    // Addresses may hold what was searched for: our own line below names the route only.
    logController: new LogController({ disableRequestLogging: true }),
    // Our own: an id that comes from outside may hold anything.
    genReqId: () => randomUUID(),
    bodyLimit: BODY_BYTES,
    requestTimeout: 30_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 320 },
    // An address that cannot be read comes by no hook and no error handler; Fastify's own answer would quote it.
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply.headers(HEADERS), toProblem(error));
    },
  });
  const { failures = new Failures() } = deps;
  const signIns = new SignIns(deps.secret, deps.signIns);
  const guard = new Guard(deps, signIns);
  const render = makeRender(guard, signIns);
  await app.register(fastifyCookie);

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS).header('x-request-id', request.id);
    if (deps.publicUrl.startsWith('https:'))
      reply.header('strict-transport-security', 'max-age=31536000');
  });
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'answered',
    );
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error);
    if (problem.status >= 500)
      request.log.error({ cause: causeOf(error), code: problem.code }, 'could not answer');
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const inBrowser = /\btext\/html\b/u.test(request.headers.accept ?? '');
    if (!inBrowser || /^\/(?:api|log)\//u.test(request.url)) throw notFound('page');
    return render.problem(request, reply, notFound('page'));
  });

  healthRoutes(app, () => deps.ready());

  const routes = routesOf(deps);
  const description = openApi(routes, deps.publicUrl);
  app.get('/api/openapi.json', () => description);
  const authenticate = makeAuthenticate(deps, failures, (request) => guard.cookieCaller(request));
  metricsRoute(app, deps, authenticate);
  await app.register(
    (api, _options, done) => {
      api.removeContentTypeParser('text/plain');
      for (const each of routes) each.register(api, authenticate);
      done();
    },
    { prefix: '/api/v1' },
  );
  if (deps.tree && deps.servesLog) registerLog(app, deps.tree);
  const { oauth } = deps;
  const { scim, audit } = deps;
  if (scim?.size)
    await app.register((told) => registerScim(told, { services: scim, audit }), {
      prefix: '/scim',
    });
  if (oauth) await app.register((terminals) => registerOauth(terminals, oauth));
  deps.embedded?.register(app);
  await app.register((pages) => registerConsole(pages, { deps, guard, signIns, failures, render }));
  return app;
}

/** What the API answers to; parts that are not there have no routes. */
function routesOf(deps: HttpDeps): readonly Route[] {
  return [
    ...requestRoutes(deps),
    ...(deps.talk ? talkRoutes(deps) : []),
    ...(deps.access ? grantRoutes(deps) : []),
    ...recordRoutes(deps),
    ...sessionRoutes(deps),
    recordingRoute(deps),
    summaryRoute(deps),
    ...tokenRoutes(deps),
    ...(deps.chat ? chatAccountRoutes(deps) : []),
    ...absenceRoutes(deps.absences),
    ...(deps.legalHolds ? holdRoutes({ ...deps, legalHolds: deps.legalHolds }) : []),
  ];
}

function sendProblem(reply: FastifyReply, { status, body }: Problem): FastifyReply {
  return reply.code(status).type('application/problem+json; charset=utf-8').send(body);
}

/** Serves the API and the console, with `tls` over HTTPS. `close` ends live streams and waits for answers that are on their way. */
export async function listenHttp(
  options: HttpOptions & { readonly address: Address; readonly tls?: UsePem | undefined },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { address, tls, ...rest } = options;
  const app = await buildHttp(rest, tls);
  const url = await app.listen({ host: address.host, port: address.port });
  // Fastify does not know what a server speaks that it has not made.
  return { url: tls ? url.replace(/^http:/, 'https:') : url, close: () => app.close() };
}
