import type { OidcConfig } from '#src/config/identity.ts';

export const TOKEN = 'scim-token-0123456789-0123456789-0123456789';

/** A provider that tells of people; nothing is asked of its issuer until somebody signs in. */
export function scimProvider(name: string, more: Partial<OidcConfig> = {}): OidcConfig {
  return {
    name,
    label: name,
    protocol: 'oidc',
    issuer: 'http://127.0.0.1:1',
    clientId: 'countersign',
    scopes: ['openid'],
    verifiedEmail: 'required',
    claims: { email: 'email', name: 'name', groups: 'groups' },
    clockSkewMs: 30_000,
    scim: { token: () => Promise.resolve(`${name}-${TOKEN}`) },
    ...more,
  };
}

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
};
export type ScimClient = (method: string, path: string, body?: unknown) => Promise<Answer>;

/** What the provider's own client would send. `at` ends in `/v2`. */
export function scimClient(
  at: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): ScimClient {
  return async (method, path, body) => {
    const response = await fetch(at + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/scim+json; charset=utf-8' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
}

export const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const CORE_GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';

export const patchOf = (...Operations: object[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
});
