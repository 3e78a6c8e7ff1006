import { inflateRawSync } from 'node:zlib';
import { fromBase64, isSigned } from './algorithms.ts';
import { type NameId, readNameId } from './assertion.ts';
import { ASSERTION, PROTOCOL } from './names.ts';
import { readXml } from './parse.ts';
import { refuse } from './refuse.ts';
import { checkIssuer, checkMessage, type Trust } from './response.ts';
import { onlySignedHere, signedElement } from './signature.ts';
import { checkPeriod, theTimeOf, timeOf } from './time.ts';
import { childrenOf, type Element, isNamed, textOf, theAttributeOf, theChildOf } from './xml.ts';

/** A sign-out that the provider asks for. */
export type Logout = {
  readonly id: string;
  /** By the provider's clock, in milliseconds since the epoch. */
  readonly issued: number;
  /** It counts once, and not from then on: milliseconds since the epoch. */
  readonly until: number;
  readonly nameId: NameId;
  /** Those of the person's sessions that end; empty for all. */
  readonly sessions: readonly string[];
};

const OLDEST_MS = 5 * 60_000;
const LONGEST = 65_536;

/** A logout request of the POST binding, which must carry a signature of its own. Throws NotWelcome. */
export function readLogoutPost(base64: string, address: string, trust: Trust): Logout {
  const message = readXml(textIn(fromBase64(base64)));
  onlySignedHere(message, [message]);
  return readLogout(signedElement(message, trust.keys), address, trust);
}

/**
 * A logout request of the redirect binding (saml-bindings 3.4.4.1): the signature is over the query as it was sent, and
 * must be there. `query` is what follows the question mark. Throws NotWelcome.
 */
export function readLogoutRedirect(query: string, address: string, trust: Trust): Logout {
  const sent = parametersOf(query);
  const raw = (key: string): string => `${key}=${sent.get(key) ?? ''}`;
  const signed = ['SAMLRequest', 'RelayState', 'SigAlg'].filter((key) => sent.has(key)).map(raw);
  const algorithm = decoded(sent.get('SigAlg')) ?? refuse('it is not signed');
  const signature = fromBase64(decoded(sent.get('Signature')) ?? refuse('it is not signed'));
  if (!isSigned(algorithm, Buffer.from(signed.join('&')), signature, trust.keys))
    refuse("its signature is not by one of the provider's certificates");
  const packed = fromBase64(decoded(sent.get('SAMLRequest')) ?? refuse('it holds no message'));
  return readLogout(readXml(textIn(inflated(packed))), address, trust);
}

/** As it was written; each parameter once, and none that changes how the message is read. */
function parametersOf(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const pair of query.split('&')) {
    const [name = '', value = ''] = pair.split('=', 2);
    if (found.has(name)) refuse('a parameter is there twice');
    found.set(name, value);
  }
  const known = ['SAMLRequest', 'RelayState', 'SigAlg', 'Signature'];
  const odd = [...found.keys()].some((name) => !known.includes(name));
  return odd ? refuse('its parameters are unusual') : found;
}

function decoded(value: string | undefined): string | undefined {
  try {
    return value === undefined ? undefined : decodeURIComponent(value);
  } catch {
    return refuse('a parameter cannot be read');
  }
}

function inflated(packed: Buffer): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: LONGEST });
  } catch {
    return refuse('it cannot be unpacked, or is larger than 64 KiB');
  }
}

/** UTF-8 only, whatever it says of itself. */
export function textIn(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse('it is not in UTF-8');
  }
}

function readLogout(message: Element, address: string, trust: Trust): Logout {
  if (!isNamed(message, PROTOCOL, 'LogoutRequest')) refuse('it is no logout request of SAML');
  checkMessage(message, address, trust, true);
  checkIssuer(theChildOf(message, ASSERTION, 'Issuer'), trust);
  const { clock } = trust;
  checkPeriod(message, clock);
  const issued = theTimeOf(message, 'IssueInstant');
  const until = timeOf(message, 'NotOnOrAfter') ?? issued + OLDEST_MS;
  if (clock.now - clock.skewMs >= until) refuse('it has expired; compare the clocks');
  return {
    id: theAttributeOf(message, 'ID'),
    issued,
    until: until + clock.skewMs,
    nameId: readNameId(message),
    sessions: childrenOf(message, PROTOCOL, 'SessionIndex').map(textOf),
  };
}
