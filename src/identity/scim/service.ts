import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuditLog } from '../../audit/log.ts';
import type { Secret } from '../../config/config.ts';
import type { IdentityConfig } from '../../config/identity.ts';
import type { Database } from '../../store/database.ts';
import { Groups } from './groups.ts';
import { settle } from './settle.ts';
import { Users } from './users.ts';

/** What one provider may tell, and how it proves that it is that provider. */
export type ScimService = {
  readonly provider: string;
  /** Where its resources are, without a trailing slash. */
  readonly at: string;
  readonly users: Users;
  readonly groups: Groups;
  /** Rejects when the token cannot be looked up, or is too short to be one. */
  isToken(presented: string): Promise<boolean>;
};

/** 32 characters of base64 are 192 bits; shorter ones are words. */
export const SHORTEST = 32;

/** One service for each provider of the configuration with `scim`, by name. `publicUrl` has no trailing slash. */
export async function openScim({
  identity,
  publicUrl,
  ...parts
}: {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: { forget(email: string): void };
  readonly identity: IdentityConfig;
  readonly publicUrl: string;
}): Promise<ReadonlyMap<string, ScimService>> {
  const whole = {
    ...parts,
    providers: [...identity.providers.keys()],
    machines: new Set([...identity.machines.keys()].map((email) => email.toLowerCase())),
  };
  const services = new Map<string, ScimService>();
  for (const provider of identity.providers.values()) {
    if (provider.protocol === 'embedded' || !provider.scim) continue;
    const { name, scim } = provider;
    const at = `${publicUrl}/scim/${name}/v2`;
    const service = {
      provider: name,
      at,
      users: new Users(whole, provider, `${at}/Users`),
      groups: new Groups(whole, provider, `${at}/Groups`),
      isToken: (presented: string) => isToken(scim.token, presented, name),
    };
    // oxlint-disable-next-line no-await-in-loop -- few
    await service.groups.remap();
    services.set(name, service);
  }
  await settle(whole, [...services.keys()]);
  return services;
}

/** Looked up each time, so that a new one counts at once. Compared by digest: time says nothing about where they differ. */
async function isToken(secret: Secret, presented: string, provider: string): Promise<boolean> {
  const token = await secret();
  if (token.length < SHORTEST)
    throw new Error(
      `identity.providers.${provider}.scim.token has less than ${SHORTEST} characters: make one with openssl rand -base64 32, and give it to the provider`,
    );
  return timingSafeEqual(digest(token), digest(presented));
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
