import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Scope } from '#src/identity/token.ts';
import type { Authenticate, Caller } from './authenticate.ts';
import { Problem } from './problem.ts';

type Shape = z.ZodType;
/** What `run` gets: only what the schemas let through. */
export type Input<P extends Shape, Q extends Shape, B extends Shape> = {
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
  readonly caller: Caller;
  /** Of the client. */
  readonly address: string;
};

export type Description = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** OpenAPI's way of writing it: `/requests/{id}`. */
  readonly path: string;
  readonly summary: string;
  readonly scope: Scope;
  readonly params: Shape;
  readonly query: Shape;
  readonly body: Shape;
  readonly reply: Shape;
  /** Of the reply; default JSON. */
  readonly media?: string;
  /** Statuses of the problems it may answer with, beside those that every route has. */
  readonly problems: readonly number[];
};

export type Route = {
  readonly description: Description;
  register(app: FastifyInstance, authenticate: Authenticate): void;
};

export const nothing = z.strictObject({});
/** The body schema of a GET. */
export const noBody = z.undefined();

/** Parses outside input; throws the 422 that names every wrong field. */
export function parse<T extends Shape>(schema: T, value: unknown, where: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(
    (issue) => `${[where, ...issue.path.map(String)].join('.')}: ${issue.message}`,
  );
  throw new Problem(422, 'not-valid', `Not valid: ${errors.join('; ')}.`, errors);
}

/** One route: its schemas validate the input, type `run`, shape the reply and describe it in OpenAPI. */
export function route<P extends Shape, Q extends Shape, R extends Shape, B extends Shape>(
  spec: Description & {
    readonly params: P;
    readonly query: Q;
    readonly body: B;
    readonly reply: R;
    run(input: Input<P, Q, B>): Promise<z.input<R>>;
  },
): Route {
  return {
    description: spec,
    register(app, authenticate) {
      app.route({
        method: spec.method,
        url: spec.path.replaceAll(/\{(\w+)\}/gu, ':$1'),
        async handler(request: FastifyRequest, reply) {
          // Who asks comes first: a stranger learns nothing from how input is refused.
          const caller = await authenticate(request, spec.scope);
          const result = await spec.run({
            params: parse(spec.params, request.params, 'path'),
            query: parse(spec.query, request.query, 'query'),
            body: parse(spec.body, request.body, 'body'),
            caller,
            address: request.ip,
          });
          return reply
            .type(spec.media ?? 'application/json; charset=utf-8')
            .send(spec.reply.parse(result));
        },
      });
    },
  };
}
