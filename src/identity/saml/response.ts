import type { KeyObject } from 'node:crypto';
import { decrypted } from './decrypt.ts';
import { ASSERTION, ENTITY, PROTOCOL, SUCCESS } from './names.ts';
import { readXml } from './parse.ts';
import { refuse } from './refuse.ts';
import { hasSignature, onlySignedHere, signedElement } from './signature.ts';
import { type Clock, checkPast } from './time.ts';
import {
  attributeOf,
  childOf,
  type Element,
  elementsOf,
  everything,
  isNamed,
  textOf,
  theChildOf,
} from './xml.ts';

export type Trust = {
  /** The provider's entity id and its keys. */
  readonly issuer: string;
  readonly keys: readonly KeyObject[];
  /** Ours, for encrypted assertions. */
  readonly ownKey?: KeyObject | undefined;
  readonly clock: Clock;
};

/** The one assertion of a response, read from what its own signature covers; `request` is what the response is for. */
export type Answer = { readonly assertion: Element; readonly request: string | undefined };

/**
 * Takes the assertion out of a SAML response (saml-core 3.3.3) that came to `address`. The assertion itself must be
 * signed; a signature of the response is checked too, and does not replace it. Nothing of the response is believed but
 * where it leads to a refusal. Throws NotWelcome.
 */
export function readResponse(xml: string, address: string, trust: Trust): Answer {
  const response = readXml(xml);
  if (!isNamed(response, PROTOCOL, 'Response')) refuse('it is no SAML response');
  checkMessage(response, address, trust);
  checkStatus(response);
  const holder = onlyAssertion(response);
  const encrypted = holder.local === 'EncryptedAssertion';
  onlySignedHere(response, encrypted ? [response] : [response, holder]);
  if (hasSignature(response)) signedElement(response, trust.keys);
  const assertion = encrypted ? opened(holder, trust) : holder;
  return {
    assertion: signedElement(assertion, trust.keys),
    request: attributeOf(response, 'InResponseTo'),
  };
}

/** What holds for every message of the protocol: version, time, sender, recipient (which a signed one must name). */
export function checkMessage(
  message: Element,
  address: string,
  trust: Trust,
  signed = hasSignature(message),
): void {
  if (attributeOf(message, 'Version') !== '2.0') refuse('it is not of SAML 2.0');
  checkPast(message, 'IssueInstant', trust.clock);
  const issuer = childOf(message, ASSERTION, 'Issuer');
  if (issuer) checkIssuer(issuer, trust);
  const destination = attributeOf(message, 'Destination');
  if (destination === undefined ? signed : destination !== address)
    refuse('it was sent to somebody else');
}

export function checkIssuer(issuer: Element, trust: Pick<Trust, 'issuer'>): void {
  if ((attributeOf(issuer, 'Format') ?? ENTITY) !== ENTITY || textOf(issuer) !== trust.issuer)
    refuse('it is of another provider');
}

/** Nobody has signed the status by itself, so only its well-known words are shown. */
function checkStatus(response: Element): void {
  const status = theChildOf(response, PROTOCOL, 'Status');
  const code = theChildOf(status, PROTOCOL, 'StatusCode');
  if (attributeOf(code, 'Value') === SUCCESS) return;
  const said = [code, childOf(code, PROTOCOL, 'StatusCode')]
    .map(
      (each) => /:status:([A-Za-z]{1,40})$/.exec((each && attributeOf(each, 'Value')) ?? '')?.[1],
    )
    .filter((word) => word !== undefined);
  refuse(`the provider did not sign you in${said.length > 0 ? ` (${said.join(', ')})` : ''}`);
}

/** Exactly one assertion in the whole document, directly in the response: anywhere else it could be taken for this one. */
function onlyAssertion(response: Element): Element {
  const found = [...everything(response)].filter(isAssertion);
  const [only] = found;
  if (!only) return refuse('it holds no assertion');
  const [holder] = elementsOf(response).filter((each) => each === only);
  if (found.length > 1 || !holder || holder.namespace !== ASSERTION)
    return refuse('it does not hold exactly one assertion in its place');
  return holder;
}

const isAssertion = ({ local }: Element): boolean =>
  local === 'Assertion' || local === 'EncryptedAssertion';

function opened(holder: Element, { ownKey }: Trust): Element {
  if (!ownKey) return refuse('it is encrypted, but identity.providers names no key for it');
  const assertion = readXml(decrypted(holder, ownKey));
  if (
    !isNamed(assertion, ASSERTION, 'Assertion') ||
    [...everything(assertion)].filter(isAssertion).length > 1
  )
    refuse('what is encrypted is not exactly one assertion');
  onlySignedHere(assertion, [assertion]);
  return assertion;
}
