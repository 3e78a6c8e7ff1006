import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuditLog } from '#src/audit/log.ts';
import { bad, ScimError } from '#src/identity/scim/error.ts';
import { readQuery, shownResource, type Page, type Query } from '#src/identity/scim/list.ts';
import { GROUP, USER, type Attributes, type Schema } from '#src/identity/scim/schema.ts';
import type { ScimService } from '#src/identity/scim/service.ts';
import { failureOf, sendFailure, TYPE } from './answers.ts';
import { makeAuthenticate } from './authenticate.ts';
import {
  listResponse,
  resourceTypes,
  schemas,
  serviceProviderConfig,
  type Described,
} from './discovery.ts';

export type ScimDeps = {
  /** By the provider's name. */
  readonly services: ReadonlyMap<string, ScimService>;
  readonly audit: Pick<AuditLog, 'later'>;
};

/** Several thousand members in one request. */
const BODY_BYTES = 2 * 1024 * 1024;

/** Users and Groups have the same methods; a change of a group answers nothing, because it may have very many members. */
type Collection = {
  get(id: string): Promise<Attributes>;
  list(query: Query): Promise<Page>;
  create(body: unknown): Promise<Attributes>;
  replace(id: string, body: unknown): Promise<Attributes | void>;
  patch(id: string, body: unknown): Promise<Attributes | void>;
  remove(id: string): Promise<void>;
};

/** SCIM 2.0 (RFC 7644) for each provider under `/scim/<provider>/v2`. */
export function registerScim(app: FastifyInstance, { services, audit }: ScimDeps): void {
  const authenticate = makeAuthenticate(services, audit);
  const callers = new WeakMap<FastifyRequest, ScimService>();
  const caller = (request: FastifyRequest): ScimService => {
    const service = callers.get(request);
    if (!service) throw new Error('a route without its hook');
    return service;
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/scim+json', 'application/json'],
    { parseAs: 'string', bodyLimit: BODY_BYTES },
    (_request, body, done) => {
      try {
        done(null, typeof body === 'string' && body !== '' ? JSON.parse(body) : undefined);
      } catch {
        done(bad('invalidSyntax', 'The body is no well-formed JSON.'));
      }
    },
  );
  // Before the body is read: nobody sends megabytes who has no token.
  app.addHook('onRequest', async (request) => {
    callers.set(request, await authenticate(request, parameter(request, 'provider')));
  });
  app.setErrorHandler((error: Error, request, reply) => {
    const failure = failureOf(error);
    const { status, detail } = failure;
    const service = callers.get(request);
    // What a provider may not do is told to the auditor too.
    if (service && request.method !== 'GET' && (status === 400 || status === 409))
      audit.later({
        kind: 'person',
        verdict: 'deny',
        body: {
          action: 'scim-refused',
          provider: service.provider,
          method: request.method,
          why: detail,
        },
      });
    if (failure.status >= 500) request.log.error({ err: error }, 'could not answer');
    return sendFailure(reply, failure);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendFailure(reply, { status: 404, detail: 'There is nothing at this address.' }),
  );

  collection(app, USER, (request) => caller(request).users);
  collection(app, GROUP, (request) => caller(request).groups);
  app.get('/:provider/v2/ServiceProviderConfig', (request, reply) =>
    reply.type(TYPE).send(serviceProviderConfig(caller(request).at)),
  );
  described(app, 'ResourceTypes', (request) => resourceTypes(caller(request).at));
  described(app, 'Schemas', (request) => schemas(caller(request).at));
  app.all('/:provider/v2/*', () => {
    throw new ScimError(404, 'There is nothing at this address.');
  });
}

function collection(
  app: FastifyInstance,
  schema: Schema,
  of: (request: FastifyRequest) => Collection,
): void {
  const all = `/:provider/v2${schema.endpoint}`;
  const one = `${all}/:id`;
  const query = (request: FastifyRequest): Query => readQuery(schema, mapOf(request.query));

  app.get(all, async (request, reply) => {
    const asked = query(request);
    const { total, resources } = await of(request).list(asked);
    const shown = resources.map((each) => shownResource(schema, each, asked.hidden));
    return reply.type(TYPE).send(listResponse(total, asked.startIndex, shown));
  });
  app.get(one, async (request, reply) => {
    const { hidden } = query(request);
    const resource = await of(request).get(id(request));
    return reply.type(TYPE).send(shownResource(schema, resource, hidden));
  });
  app.post(all, async (request, reply) => {
    const resource = await of(request).create(request.body);
    const { location } = mapOf(resource['meta']);
    return reply
      .code(201)
      .header('location', location)
      .type(TYPE)
      .send(shownResource(schema, resource, query(request).hidden));
  });
  const change = (method: 'PUT' | 'PATCH', how: 'replace' | 'patch'): void => {
    app.route({
      method,
      url: one,
      async handler(request, reply) {
        const { hidden } = query(request);
        const resource = await of(request)[how](id(request), request.body);
        if (!resource) return reply.code(204).send();
        return reply.type(TYPE).send(shownResource(schema, resource, hidden));
      },
    });
  };
  change('PUT', 'replace');
  change('PATCH', 'patch');
  app.delete(one, async (request, reply) => {
    await of(request).remove(id(request));
    return reply.code(204).send();
  });
}

/** A list that does not change, and each of it by its id. */
function described(
  app: FastifyInstance,
  name: string,
  of: (request: FastifyRequest) => readonly Described[],
): void {
  app.get(`/:provider/v2/${name}`, (request, reply) => {
    const all = of(request);
    return reply.type(TYPE).send(
      listResponse(
        all.length,
        1,
        all.map(({ body }) => body),
      ),
    );
  });
  app.get(`/:provider/v2/${name}/:id`, (request, reply) => {
    const wanted = parameter(request, 'id').toLowerCase();
    const found = of(request).find(({ id }) => id.toLowerCase() === wanted);
    if (!found) throw new ScimError(404, `There is no such one of ${name}.`);
    return reply.type(TYPE).send(found.body);
  });
}

const id = (request: FastifyRequest): string => parameter(request, 'id').toLowerCase();

const parameter = (request: FastifyRequest, name: string): string => {
  const value = mapOf(request.params)[name];
  return typeof value === 'string' ? value : '';
};

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
