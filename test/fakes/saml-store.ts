import type { SamlStore } from '#src/identity/saml/store.ts';
import { newId } from '#src/identity/saml/store.ts';
import { NotWelcome, type Assertion } from '#src/identity/sign-in.ts';

/** A SamlStore in memory, for tests of one gateway; `taken` is what it was given. */
export function memoryStore(): SamlStore & { readonly taken: Assertion[] } {
  const flows = new Map<string, { provider: string; browser: Buffer; next: string }>();
  const tickets = new Map<string, { browser?: Buffer; next: string; assertion: Assertion }>();
  const used = new Set<string>();
  const useOnce = (provider: string, id: string): void => {
    if (used.has(`${provider} ${id}`)) throw new NotWelcome('used before');
    used.add(`${provider} ${id}`);
  };
  const taken: Assertion[] = [];
  return {
    taken,
    async begin(provider, browser, next) {
      const id = newId();
      flows.set(id, { provider, browser, next });
      return id;
    },
    async take({ provider, request, id, assertion }) {
      useOnce(provider, id);
      const flow = request === undefined ? { next: '' } : flows.get(request);
      if (!flow) throw new NotWelcome('not begun here');
      flows.delete(request ?? '');
      const ticket = newId();
      tickets.set(ticket, { ...flow, assertion });
      taken.push(assertion);
      return ticket;
    },
    async finish(_provider, ticket, browser) {
      const found = tickets.get(ticket);
      if (!found || (found.browser && !browser?.equals(found.browser))) return undefined;
      tickets.delete(ticket);
      return { assertion: found.assertion, next: found.next };
    },
    useOnce: async (provider, id) => useOnce(provider, id),
    forget: async (provider, id) => void used.delete(`${provider} ${id}`),
    sessionsEnded: async () => undefined,
    whoSignedIn: async (_provider, subject, sessions) => [subject, ...sessions].join(' '),
  };
}
