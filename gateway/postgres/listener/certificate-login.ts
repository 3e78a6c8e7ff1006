import type { Certificates } from '#src/identity/certificates.ts';
import { personKey } from '#src/identity/people.ts';
import type { Directory } from '#src/identity/person.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Authenticated } from '../authenticate.ts';
import { authenticationOk } from '../codec.ts';
import { Fatal } from '../fatal.ts';
import type { Secured } from './encryption.ts';

type Parts = {
  /** Undefined: certificates of `countersign login` open nothing here. */
  readonly certificates?: Certificates | undefined;
  readonly tokens: Tokens;
  readonly directory: Directory;
};

/**
 * Who shows a certificate of `countersign login` needs no password: TLS has proven that they hold its key. Undefined for
 * who shows none, or another's. Throws Fatal for one that has ended or is somebody else's.
 */
export async function certificateLogin(
  secured: Secured | undefined,
  { certificates, tokens, directory }: Parts,
  email: string,
): Promise<(Authenticated & { readonly certificate: string }) | undefined> {
  const shown = secured?.socket.getPeerX509Certificate();
  if (!certificates || !secured || !shown) return undefined;
  const known = await certificates.find(shown).catch(cannotAsk);
  if (!known) return undefined;
  if (!known.live)
    throw new Fatal('28000', 'the client certificate has expired or was revoked', {
      hint: 'countersign login --certificate gets a new one.',
    });
  if (known.person !== personKey(email))
    throw new Fatal('28000', `certificate authentication failed for user "${email}"`, {
      hint: 'Sign in as the person whose e-mail address is in the certificate.',
    });
  const person = await directory.find(email).catch(cannotAsk);
  if (!person)
    throw new Fatal('28000', `"${email}" is no longer known here`, {
      hint: 'Ask the operator of the gateway to add you.',
    });
  tokens.used(known.token);
  secured.socket.write(authenticationOk());
  return { person, token: known.token, certificate: shown.fingerprint256 };
}

function cannotAsk(cause: unknown): never {
  throw new Fatal('57P03', 'the gateway cannot check certificates now', {
    hint: 'Try again; if it lasts, the operator should look at the store.',
    cause,
  });
}
