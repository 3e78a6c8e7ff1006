import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Tokens } from '#src/identity/token.ts';
import { Failures } from '../api/failures.ts';
import { causeOf, toProblem } from '../api/problem.ts';
import { certify } from './certificate.ts';
import type { OauthDeps } from './deps.ts';
import { deviceGrant, DEVICE_CODE } from './device.ts';
import { OauthError } from './errors.ts';
import type { Grant, TokenReply } from './grant.ts';
import { metadata } from './metadata.ts';

const CLIENT_ID = /^[\x21-\x7e]{1,100}$/u;
/** What an honest program gets while it waits. */
const ORDINARY: ReadonlySet<string> = new Set([
  'authorization_pending',
  'slow_down',
  'expired_token',
  'access_denied',
]);

/** Metadata (RFC 8414), device authorization (RFC 8628), token, revocation (RFC 7009) and userinfo endpoints. */
export async function registerOauth(app: FastifyInstance, deps: OauthDeps): Promise<void> {
  const grants = new Map([[DEVICE_CODE, deviceGrant(deps)], ...(deps.grants ?? [])]);
  const failures = new Failures();
  app.removeAllContentTypeParsers();
  await app.register(formbody);
  app.setErrorHandler((error, request, reply) => {
    const answer = error instanceof OauthError ? error : unexpected(error);
    if (answer.status >= 500) request.log.error({ cause: causeOf(error) }, 'could not answer');
    if (answer.status === 401) reply.header('www-authenticate', 'Bearer error="invalid_token"');
    return reply.code(answer.status).send(answer.body);
  });

  const described = metadata(deps, [...grants.keys()]);
  app.get('/.well-known/oauth-authorization-server', () => described);
  app.get('/.well-known/openid-configuration', () => described);

  app.post('/oauth/device_authorization', (request) => begin(deps, request));
  app.post('/oauth/token', (request) => tokenOf(grants, failures, request));
  app.post('/oauth/revoke', (request) => revoke(deps, request));
  app.post('/oauth/certificate', (request) => certificateOf(deps, request));
  app.get('/oauth/userinfo', (request) => userinfo(deps, request));
}

async function begin({ devices, publicUrl }: OauthDeps, request: FastifyRequest): Promise<object> {
  const client = clientOf(request, formOf(request));
  const begun = await devices.begin(client, request.ip);
  if (!begun)
    throw new OauthError('temporarily_unavailable', 'There is no free code now. Try again.', 503);
  const page = `${publicUrl}/device`;
  return {
    device_code: begun.deviceCode,
    user_code: begun.userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?code=${begun.userCode}`,
    expires_in: begun.expiresIn,
    interval: begun.interval,
  };
}

async function tokenOf(
  grants: ReadonlyMap<string, Grant>,
  failures: Failures,
  request: FastifyRequest,
): Promise<TokenReply> {
  const form = formOf(request);
  const type = form.get('grant_type') ?? '';
  const grant = grants.get(type);
  if (!grant)
    throw new OauthError(
      type === '' ? 'invalid_request' : 'unsupported_grant_type',
      `There is no grant of this type here; there is ${[...grants.keys()].join(', ')}.`,
    );
  const clientId = type === DEVICE_CODE ? clientOf(request, form) : clientName(request, form);
  try {
    return await grant({ form, clientId, address: request.ip });
  } catch (error) {
    if (error instanceof OauthError && error.status < 500 && !ORDINARY.has(error.code)) {
      const seconds = failures.wait(request.ip);
      failures.add(request.ip);
      // Only who is wrong: others behind the same proxy must get their tokens.
      if (seconds > 0)
        throw new OauthError('slow_down', `Too many failures. Try again in ${seconds} s.`, 429);
    }
    throw error;
  }
}

/** Whoever holds a token may end it; one that is unknown has ended already (RFC 7009 section 2.2). */
async function revoke({ tokens }: OauthDeps, request: FastifyRequest): Promise<object> {
  const info = await liveToken(tokens, formOf(request).get('token') ?? '');
  if (info) await tokens.revoke(info.id);
  return {};
}

async function certificateOf(deps: OauthDeps, request: FastifyRequest): Promise<object> {
  const token = await liveToken(deps.tokens, bearerOf(request));
  return certify(deps, token, formOf(request).get('public_key') ?? '');
}

/** Whose token it is, and until when (claims of OpenID Connect Core section 5.1). */
async function userinfo(
  { tokens, directory }: OauthDeps,
  request: FastifyRequest,
): Promise<object> {
  const info = await liveToken(tokens, bearerOf(request));
  const person = info && (await directory.find(info.person));
  if (!info || !person)
    throw new OauthError('invalid_token', 'The token is unknown, expired or revoked.', 401);
  const { email, name, groups } = person;
  return {
    sub: email,
    email,
    name,
    groups,
    scope: info.scopes.join(' '),
    // RFC 8693 section 4.1: who acts for them.
    ...(info.agent !== undefined && { act: { sub: info.agent } }),
    exp: Math.floor(Date.parse(info.expiresAt) / 1_000),
  };
}

const bearerOf = ({ headers }: FastifyRequest): string =>
  /^Bearer ([\x21-\x7e]{1,512})$/iu.exec(headers.authorization ?? '')?.[1] ?? '';

async function liveToken(tokens: Tokens, token: string): ReturnType<Tokens['check']> {
  return (
    (await tokens.check(token, 'read')) ??
    (await tokens.check(token, 'connect')) ??
    (await tokens.check(token, 'decide'))
  );
}

/** A field that comes twice makes a request that two readers could read differently (RFC 6749 section 3.2). */
function formOf({ body }: FastifyRequest): ReadonlyMap<string, string> {
  const fields = typeof body === 'object' && body !== null ? Object.entries(body) : [];
  return new Map(
    fields.map(([name, value]) => {
      if (typeof value !== 'string')
        throw new OauthError('invalid_request', `The field ${name} came twice, or is no text.`);
      return [name, value];
    }),
  );
}

function clientOf(request: FastifyRequest, form: ReadonlyMap<string, string>): string {
  const id = clientName(request, form);
  if (CLIENT_ID.test(id)) return id;
  throw new OauthError(
    'invalid_request',
    'client_id is missing or has other than 1 to 100 letters: it names the program that asks.',
  );
}

/** In the form, or as the user of HTTP Basic (RFC 6749 section 2.3.1), whose password proves nothing here. */
function clientName({ headers }: FastifyRequest, form: ReadonlyMap<string, string>): string {
  const inForm = form.get('client_id');
  if (inForm !== undefined) return inForm;
  const basic = /^Basic ([\w+/=-]{1,512})$/iu.exec(headers.authorization ?? '')?.[1];
  const user = basic && Buffer.from(basic, 'base64').toString('utf8').split(':')[0];
  return user === undefined ? '' : decoded(user);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return '';
  }
}

function unexpected(error: unknown): OauthError {
  const { status, message } = toProblem(error);
  return status < 500
    ? new OauthError('invalid_request', message, status)
    : new OauthError('temporarily_unavailable', message, status);
}
