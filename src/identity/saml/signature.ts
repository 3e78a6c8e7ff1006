import { createHash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { digestName, fromBase64, isSigned } from './algorithms.ts';
import { canonical } from './canonical.ts';
import { readXml } from './parse.ts';
import { refuse } from './refuse.ts';
import {
  attributeOf,
  childOf,
  childrenOf,
  type Element,
  elementsOf,
  everything,
  isNamed,
  textOf,
  theAttributeOf,
  theChildOf,
} from './xml.ts';

const DS = 'http://www.w3.org/2000/09/xmldsig#';
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = `${DS}enveloped-signature`;
/** There are no comments here, so both give the same bytes. */
const METHODS = [EXCLUSIVE, `${EXCLUSIVE}WithComments`];

/** True when the element carries a signature as its child. */
export const hasSignature = (element: Element): boolean =>
  childrenOf(element, DS, 'Signature').length > 0;

/**
 * The element as one of the keys has signed it: read anew from exactly the bytes that the signature covers, so that
 * nothing else of the document can come into it. The signature itself is not in it. Keys in KeyInfo are not looked at.
 * Throws NotWelcome when it is not signed, or not by these keys.
 */
export function signedElement(element: Element, keys: readonly KeyObject[]): Element {
  const signature = childOf(element, DS, 'Signature') ?? refuse(`${element.local} is not signed`);
  checkShape(signature);
  const written = theChildOf(signature, DS, 'SignedInfo');
  const method = theChildOf(written, DS, 'CanonicalizationMethod');
  if (!METHODS.includes(theAttributeOf(method, 'Algorithm')))
    refuse('its signature is not over exclusive canonical XML');
  const bytes = canonical(written, { inclusive: prefixes(method) });

  // From here on only what the signature covers is read: SignedInfo first, then the element.
  const info = readXml(bytes);
  const [, algorithm, reference, ...more] = elementsOf(info);
  if (!algorithm || !reference || more.length > 0 || !isNamed(algorithm, DS, 'SignatureMethod'))
    return refuse('its signature does not have exactly one reference');
  const covered = coveredBytes(element, signature, reference);
  const value = fromBase64(textOf(theChildOf(signature, DS, 'SignatureValue')));
  if (!isSigned(theAttributeOf(algorithm, 'Algorithm'), Buffer.from(bytes), value, keys))
    refuse("its signature is not by one of the provider's certificates");
  return readXml(covered);
}

/** A signature holds its own three parts and nothing to hide another element in. */
function checkShape(signature: Element): void {
  const names = elementsOf(signature).map((each) => `${each.namespace}${each.local}`);
  const usual = [`${DS}SignedInfo`, `${DS}SignatureValue`, `${DS}KeyInfo`];
  if (names.some((name, index) => name !== usual[index]) || names.length < 2)
    refuse('its signature has an unusual form');
}

/** The text that the reference is about, once its digest has been found right. */
function coveredBytes(element: Element, signature: Element, reference: Element): string {
  if (!isNamed(reference, DS, 'Reference') || reference.attributes.length > 2)
    refuse('its signature does not have exactly one reference');
  const id = theAttributeOf(element, 'ID');
  if (id === '' || attributeOf(reference, 'URI') !== `#${id}`)
    refuse('its signature is about another element than the one that holds it');
  const covered = canonical(element, { without: signature, inclusive: transformsOf(reference) });
  const name = digestName(theAttributeOf(theChildOf(reference, DS, 'DigestMethod'), 'Algorithm'));
  const said = fromBase64(textOf(theChildOf(reference, DS, 'DigestValue')));
  const digest = createHash(name).update(covered).digest();
  if (said.length !== digest.length || !timingSafeEqual(said, digest))
    refuse('it was changed after it was signed');
  return covered;
}

/** Enveloped signature, then exclusive canonicalization, whose prefixes are returned; no other is needed or taken. */
function transformsOf(reference: Element): readonly string[] {
  const transforms = elementsOf(theChildOf(reference, DS, 'Transforms'));
  const [first, second] = transforms.map((each) => theAttributeOf(each, 'Algorithm'));
  const usual = first === ENVELOPED && METHODS.includes(second ?? '') && transforms.length === 2;
  const [, exclusive] = transforms;
  return usual && exclusive ? prefixes(exclusive) : refuse('its signature has unusual transforms');
}

function prefixes(method: Element): readonly string[] {
  const list = childOf(method, EXCLUSIVE, 'InclusiveNamespaces');
  return (list && attributeOf(list, 'PrefixList')?.split(' ').filter(Boolean)) ?? [];
}

/** Refuses a document that has a signature anywhere but as a child of these elements. */
export function onlySignedHere(root: Element, places: readonly Element[]): void {
  const expected = new Set(places.flatMap((place) => childrenOf(place, DS, 'Signature')));
  for (const element of everything(root))
    if (element.local === 'Signature' && !expected.has(element))
      refuse('it has a signature in an unusual place');
}
