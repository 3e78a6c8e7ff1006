import type { OauthDeps } from './deps.ts';

/**
 * Authorization server metadata (RFC 8414). libpq 18 reads the same under `openid-configuration`, and demands
 * `issuer`, `token_endpoint`, `device_authorization_endpoint` and the grant among `grant_types_supported`.
 */
export function metadata(
  { publicUrl, postgres, certificates }: Pick<OauthDeps, 'publicUrl' | 'postgres' | 'certificates'>,
  grants: readonly string[],
): object {
  return {
    issuer: publicUrl,
    device_authorization_endpoint: `${publicUrl}/oauth/device_authorization`,
    token_endpoint: `${publicUrl}/oauth/token`,
    revocation_endpoint: `${publicUrl}/oauth/revoke`,
    userinfo_endpoint: `${publicUrl}/oauth/userinfo`,
    grant_types_supported: grants,
    // No authorization endpoint: people sign in at the console.
    response_types_supported: [],
    scopes_supported: ['connect', 'read'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    // For our own command line.
    ...(certificates && { countersign_certificate_endpoint: `${publicUrl}/oauth/certificate` }),
    countersign_postgres: { ...postgres, host: reached(postgres.host, publicUrl) },
  };
}

/** A gateway that listens everywhere is reached where its console is. */
export function reached(host: string, publicUrl: string): string {
  const everywhere = host === '0.0.0.0' || host === '::';
  return everywhere ? new URL(publicUrl).hostname.replace(/^\[|\]$/g, '') : host;
}
