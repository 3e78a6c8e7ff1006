import { isLoopback, parseAddress } from './units.ts';
import { at, keysOf, pathText, type ConfigProblem } from './node.ts';
import { parseDuration } from '../policy/duration.ts';

const SHORTEST_TOKEN = 32;
const LONGEST_RECHECK_MS = 15 * 60_000;

/** What a schema cannot see of `identity`. */
export function checkIdentity(raw: unknown): ConfigProblem[] {
  return [
    ...checkProviders(raw),
    ...checkScim(raw),
    ...checkEmbedded(raw),
    ...checkRecheck(raw),
    ...checkMachines(raw),
    ...checkAgents(raw),
  ];
}

const providersOf = (raw: unknown): string[] => keysOf(at(raw, 'identity', 'providers'));
const providerAt = (raw: unknown, name: string, key: string): unknown =>
  at(raw, 'identity', 'providers', name, key);

function checkProviders(raw: unknown): ConfigProblem[] {
  const names = providersOf(raw);
  return names.flatMap((name) => {
    const found: ConfigProblem[] = [];
    const say = (key: string, message: string): void =>
      void found.push({ path: pathText(['identity', 'providers', name, key]), message });
    const embedded = providerAt(raw, name, 'protocol') === 'embedded';
    if (names.length > 1 && !embedded && providerAt(raw, name, 'domains') === undefined)
      say(
        'domains',
        'is missing: with several providers, say for which e-mail domains this one may speak',
      );
    // SAML's issuer is a name, which Okta and AD FS begin with http: though nobody goes there.
    const saml = providerAt(raw, name, 'protocol') === 'saml';
    for (const key of [...(saml ? [] : ['issuer']), 'entryPoint', 'logoutUrl'])
      if (isClear(providerAt(raw, name, key)))
        say(
          key,
          'is http beyond this machine: whoever is on the way could sign in as anybody; write https://…',
        );
    if (
      (providerAt(raw, name, 'key') === undefined) !==
      (providerAt(raw, name, 'certificate') === undefined)
    )
      say('key', 'key and certificate come together: name both, or neither');
    return found;
  });
}

/** What a reference leads to is measured when it is used. */
function checkScim(raw: unknown): ConfigProblem[] {
  return providersOf(raw).flatMap((name) => {
    const path = ['identity', 'providers', name, 'scim', 'token'];
    const token = at(raw, ...path);
    if (typeof token !== 'string' || token.includes('${') || token.length >= SHORTEST_TOKEN)
      return [];
    const message = `has less than ${SHORTEST_TOKEN} characters: make one with openssl rand -base64 32`;
    return [{ path: pathText(path), message }];
  });
}

function isClear(value: unknown): boolean {
  if (typeof value !== 'string' || !value.startsWith('http://')) return false;
  const url = URL.parse(value);
  return url === null || !isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
}

function checkEmbedded(raw: unknown): ConfigProblem[] {
  const embedded = providersOf(raw).filter(
    (name) => providerAt(raw, name, 'protocol') === 'embedded',
  );
  return embedded.flatMap((name, index) => {
    const path = pathText(['identity', 'providers', name]);
    const say = (message: string): ConfigProblem[] => [{ path, message }];
    if (index > 0) return say('there is one embedded provider already: take this one out');
    if (at(raw, 'identity', 'production') === true)
      return say('lets anybody be anybody, which identity.production forbids: take it out');
    const beyond = listenersOf(raw).find(({ host }) => !isLoopback(host));
    if (beyond)
      return say(
        `lets anybody be anybody, so nothing may listen beyond this machine, but ${beyond.path} does`,
      );
    const publicUrl = at(raw, 'publicUrl');
    const host = typeof publicUrl === 'string' ? URL.parse(publicUrl)?.hostname : undefined;
    if (host !== undefined && !isLoopback(host.replace(/^\[|\]$/g, '')))
      return say('lets anybody be anybody, so publicUrl must be of this machine');
    return [];
  });
}

function listenersOf(raw: unknown): { readonly path: string; readonly host: string }[] {
  return keysOf(at(raw, 'listen')).flatMap((key) => {
    const value = at(raw, 'listen', key);
    const address = typeof value === 'string' ? parseAddress(value) : undefined;
    return address ? [{ path: `listen.${key}`, host: address.host }] : [];
  });
}

function checkRecheck(raw: unknown): ConfigProblem[] {
  const value = at(raw, 'identity', 'recheck');
  const ms = typeof value === 'string' ? parseDuration(value) : undefined;
  if (ms === undefined || ms <= LONGEST_RECHECK_MS) return [];
  return [
    { path: 'identity.recheck', message: 'is longer than 15m: who is let go would stay that long' },
  ];
}

/** A machine is nobody else. */
function checkMachines(raw: unknown): ConfigProblem[] {
  const people = keysOf(at(raw, 'people')).map((email) => email.toLowerCase());
  const machines = keysOf(at(raw, 'identity', 'machines'));
  return machines.flatMap((email, index) => {
    const lower = email.toLowerCase();
    const path = pathText(['identity', 'machines', email]);
    if (people.includes(lower))
      return [{ path, message: 'is a person under people: give it an address of its own' }];
    if (machines.findIndex((other) => other.toLowerCase() === lower) !== index)
      return [{ path, message: 'is there twice: keep one' }];
    return ['issuer', 'jwks']
      .filter((key) => isClear(at(raw, 'identity', 'machines', email, key)))
      .map((key) => ({
        path: pathText(['identity', 'machines', email, key]),
        message: 'is http beyond this machine: write https://…',
      }));
  });
}

function checkAgents(raw: unknown): ConfigProblem[] {
  const oidc = providersOf(raw).filter((name) => providerAt(raw, name, 'protocol') === 'oidc');
  return keysOf(at(raw, 'identity', 'agents')).flatMap((id) => {
    const provider = at(raw, 'identity', 'agents', id, 'provider');
    if (typeof provider !== 'string' || oidc.includes(provider)) return [];
    const known = oidc.length > 0 ? `there is: ${oidc.join(', ')}` : 'there is none';
    const message = `there is no OIDC provider ${JSON.stringify(provider)}; ${known}`;
    return [{ path: pathText(['identity', 'agents', id, 'provider']), message }];
  });
}
