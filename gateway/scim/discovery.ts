import { MOST_RESULTS } from '#src/identity/scim/list.ts';
import { GROUP, schemaResource, USER, type Schema } from '#src/identity/scim/schema.ts';

const SCHEMAS: readonly Schema[] = [USER, GROUP];

/** What this service can do (RFC 7643 section 5). `at` is its address. */
export const serviceProviderConfig = (at: string): object => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: MOST_RESULTS },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: false },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'Bearer token',
      description: 'The token that countersign.yaml has for this provider.',
      specUri: 'https://www.rfc-editor.org/rfc/rfc6750',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${at}/ServiceProviderConfig` },
});

export const resourceTypes = (at: string): readonly Described[] =>
  SCHEMAS.map(({ id, name, endpoint, description }) => ({
    id: name,
    body: {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
      id: name,
      name,
      endpoint,
      description,
      schema: id,
      meta: { resourceType: 'ResourceType', location: `${at}/ResourceTypes/${name}` },
    },
  }));

export const schemas = (at: string): readonly Described[] =>
  SCHEMAS.map((schema) => ({
    id: schema.id,
    body: schemaResource(schema, `${at}/Schemas/${schema.id}`),
  }));

export type Described = { readonly id: string; readonly body: object };

export const listResponse = (
  total: number,
  startIndex: number,
  resources: readonly object[],
): object => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
  totalResults: total,
  startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
});
