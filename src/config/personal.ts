import type { Personal, Secret, TargetConfig, TargetTlsConfig } from './config.ts';
import { fill, isName } from './person-login.ts';

/** NAMEDATALEN - 1: PostgreSQL would cut a longer one, and so make it another's. */
const LONGEST = 63;

/**
 * The target with a role and a credential for each person. What one of them logs in with is made once, so that what is kept
 * of a secret is kept. `written` is the reference behind the secrets.
 */
export function personalTarget(
  base: TargetConfig,
  user: string,
  { written, secret }: { readonly written: string; readonly secret: (login: string) => Secret },
): TargetConfig {
  const known = new Map<string, TargetConfig>();
  const theirs = (login: string): TargetConfig => {
    const config = known.get(login) ?? {
      ...base,
      user: fill(user, login),
      password: secret(login),
      tls: tlsOf(base.tls, login),
      shared: target,
    };
    known.set(login, config);
    return config;
  };
  const roleOf = (login: string): string | undefined => {
    const role = fill(user, login);
    return isName(login) && role.length <= LONGEST ? role : undefined;
  };
  const { cert = '', key = '', ...tls } = base.tls;
  const reference = [written, cert, key].join('\0');
  const personal: Personal = Object.assign(theirs, { roleOf, reference });
  // The analyser comes without a certificate: those here are of people.
  const target = { ...base, user, password: ofNobody(base.name, written), tls, personal };
  return target;
}

const tlsOf = ({ cert, key, ...tls }: TargetTlsConfig, login: string): TargetTlsConfig => ({
  ...tls,
  ...(cert !== undefined && { cert: fill(cert, login) }),
  ...(key !== undefined && { key: fill(key, login) }),
});

const ofNobody = (name: string, reference: string): Secret =>
  Object.assign(
    (): Promise<string> =>
      Promise.reject(
        new Error(`target "${name}" has a password for each person, and none of its own`),
      ),
    { reference },
  );
