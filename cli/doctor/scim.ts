import type { IdentityConfig } from '#src/config/identity.ts';
import { SHORTEST } from '#src/identity/scim/service.ts';
import { failed, type Check } from './check.ts';

/** Whether each provider that tells of people by SCIM has a token that can be used. */
export async function checkScim({ providers }: IdentityConfig): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const provider of providers.values()) {
    if (provider.protocol === 'embedded' || !provider.scim) continue;
    const what = `${provider.name}: SCIM token`;
    const next = `correct identity.providers.${provider.name}.scim.token: openssl rand -base64 32 makes one`;
    try {
      // oxlint-disable-next-line no-await-in-loop -- few
      const { length } = await provider.scim.token();
      const good = length >= SHORTEST;
      checks.push({
        what,
        state: good ? 'ok' : 'fail',
        found: good ? 'can be read' : `has less than ${SHORTEST} characters`,
        ...(!good && { next }),
      });
    } catch (error) {
      checks.push(failed(what, error, next));
    }
  }
  return checks;
}
