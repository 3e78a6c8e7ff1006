import { z } from 'zod';
import { problemSchema } from './problem.ts';
import { noBody, type Description, type Route } from './route.ts';

const EVERY_ROUTE = [401, 403, 422, 429, 503];

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io });
  return rest;
}

function parameters(schema: z.ZodType, where: 'path' | 'query'): readonly object[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: where,
    required: required.includes(name),
    schema: each,
  }));
}

function operation(description: Description): object {
  const { summary, scope, body, reply, problems, media = 'application/json' } = description;
  const problem = {
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  const statuses = [...EVERY_ROUTE, ...problems].toSorted((a, b) => a - b);
  return {
    summary,
    security: [{ bearer: [scope] }],
    parameters: [
      ...parameters(description.params, 'path'),
      ...parameters(description.query, 'query'),
    ],
    ...(body !== noBody && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: jsonSchema(body, 'input') } },
      },
    }),
    responses: {
      200: {
        description: summary,
        content: { [media]: { schema: jsonSchema(reply, 'output') } },
      },
      ...Object.fromEntries(
        statuses.map((status) => [status, { description: 'Problem (RFC 9457)', ...problem }]),
      ),
    },
  };
}

/** The OpenAPI 3.1 description, made from the very schemas that validate. */
export function openApi(routes: readonly Route[], publicUrl: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { description } of routes) {
    const path = (paths[description.path] ??= {});
    path[description.method.toLowerCase()] = operation(description);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Countersign', version: '1' },
    servers: [{ url: `${publicUrl}/api/v1` }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
    },
  };
}
