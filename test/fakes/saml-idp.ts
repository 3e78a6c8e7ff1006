import { createPrivateKey, randomBytes, sign as signBytes } from 'node:crypto';
import { stringify } from 'node:querystring';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { SignedXml } from 'xml-crypto';
import type { SamlConfig } from '#src/config/identity.ts';
import { type Certificate, makeCertificate, writePem } from './certificates.ts';

export const ISSUER = 'https://idp.example/saml';
const SAML = 'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"';
const SAMLP = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"';
const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';
const EMAIL = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';

export const newId = (): string => `_${randomBytes(16).toString('hex')}`;
const iso = (offsetMs: number): string => new Date(Date.now() + offsetMs).toISOString();

/** Where it answers to; `acs` and `audience` as the gateway's metadata say. */
export type Sp = { readonly acs: string; readonly audience: string };

/** What an assertion says; every part can be wrong. Times are milliseconds from now. */
export type Words = {
  readonly id: string;
  readonly issuer: string;
  readonly nameId: string;
  readonly format: string;
  readonly audience: string;
  readonly recipient: string;
  readonly inResponseTo: string | undefined;
  readonly issued: number;
  readonly notBefore: number;
  readonly notOnOrAfter: number;
  readonly confirmedUntil: number;
  readonly authInstant: number;
  readonly sessionIndex: string;
  readonly sessionUntil: number | undefined;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
};

/** An assertion as XML, not signed. Values are put in as they are, so that a test can put markup there. */
export function assertionXml(sp: Sp, given: Partial<Words> = {}): string {
  const words: Words = {
    id: newId(),
    issuer: ISSUER,
    nameId: 'ada@example.com',
    format: EMAIL,
    audience: sp.audience,
    recipient: sp.acs,
    inResponseTo: undefined,
    issued: 0,
    notBefore: -5_000,
    notOnOrAfter: 300_000,
    confirmedUntil: 300_000,
    authInstant: -1_000,
    sessionIndex: 's1',
    sessionUntil: undefined,
    attributes: {
      email: ['ada@example.com'],
      displayName: ['Ada Lovelace'],
      groups: ['engineering', 'dba'],
    },
    ...given,
  };
  const { attributes } = words;
  const request = words.inResponseTo === undefined ? '' : ` InResponseTo="${words.inResponseTo}"`;
  const session =
    words.sessionUntil === undefined ? '' : ` SessionNotOnOrAfter="${iso(words.sessionUntil)}"`;
  const values = Object.entries(attributes).map(
    ([name, all]) =>
      `<saml:Attribute Name="${name}">${all.map((each) => `<saml:AttributeValue>${each}</saml:AttributeValue>`).join('')}</saml:Attribute>`,
  );
  return `<saml:Assertion ${SAML} ID="${words.id}" Version="2.0" IssueInstant="${iso(words.issued)}"><saml:Issuer>${words.issuer}</saml:Issuer><saml:Subject><saml:NameID Format="${words.format}">${words.nameId}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${iso(words.confirmedUntil)}" Recipient="${words.recipient}"${request}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${iso(words.notBefore)}" NotOnOrAfter="${iso(words.notOnOrAfter)}"><saml:AudienceRestriction><saml:Audience>${words.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${iso(words.authInstant)}" SessionIndex="${words.sessionIndex}"${session}><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>${values.join('')}</saml:AttributeStatement></saml:Assertion>`;
}

/** A response around `inside` (assertions), not signed. */
export function responseXml(
  sp: Sp,
  inside: string,
  {
    inResponseTo,
    destination = sp.acs,
    issuer = ISSUER,
    status = 'Success',
    id = newId(),
  }: {
    readonly inResponseTo?: string | undefined;
    readonly destination?: string;
    readonly issuer?: string;
    readonly status?: string;
    readonly id?: string;
  } = {},
): string {
  const request = inResponseTo === undefined ? '' : ` InResponseTo="${inResponseTo}"`;
  return `<samlp:Response ${SAMLP} ID="${id}" Version="2.0" IssueInstant="${iso(0)}" Destination="${destination}"${request}><saml:Issuer ${SAML}>${issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${status}"/></samlp:Status>${inside}</samlp:Response>`;
}

export type SignOptions = {
  /** Local name of the element that is signed; the first of this name. */
  readonly element?: 'Assertion' | 'Response' | 'LogoutRequest' | 'LogoutResponse';
  readonly key?: string;
  readonly signature?: string;
  readonly digest?: string;
  /** Put into KeyInfo. */
  readonly keyInfo?: string;
  readonly inclusive?: readonly string[];
  /** Of the elements of the signature. */
  readonly prefix?: string;
};

/** Signs with xml-crypto, another implementation than the one that is tested. */
export function signXml(xml: string, key: string, options: SignOptions = {}): string {
  const { element = 'Assertion', keyInfo, inclusive, prefix } = options;
  const ec = createPrivateKey(key).asymmetricKeyType === 'ec';
  const signed = new SignedXml({
    privateKey: options.key ?? key,
    ...(keyInfo !== undefined && { publicCert: keyInfo }),
    canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
    signatureAlgorithm: options.signature ?? `${MORE}${ec ? 'ecdsa' : 'rsa'}-sha256`,
    ...(inclusive && { inclusiveNamespacesPrefixList: [...inclusive] }),
  });
  signed.SignatureAlgorithms[`${MORE}ecdsa-sha256`] = Ecdsa as never;
  Object.assign(signed.SignatureAlgorithms, hmac());
  signed.addReference({
    xpath: `//*[local-name(.)='${element}']`,
    transforms: [
      'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
      'http://www.w3.org/2001/10/xml-exc-c14n#',
    ],
    digestAlgorithm: options.digest ?? 'http://www.w3.org/2001/04/xmlenc#sha256',
    ...(inclusive && { inclusiveNamespacesPrefixList: [...inclusive] }),
  });
  const reference = `//*[local-name(.)='${element}']/*[local-name(.)='Issuer']`;
  signed.computeSignature(xml, {
    ...(prefix !== undefined && { prefix }),
    location: { reference, action: 'after' },
  });
  return signed.getSignedXml();
}

class Ecdsa {
  getSignature = (info: string, key: string): string =>
    signBytes('sha256', Buffer.from(info), { key, dsaEncoding: 'ieee-p1363' }).toString('base64');
  getAlgorithmName = (): string => `${MORE}ecdsa-sha256`;
}

/** xml-crypto gives HMAC only to who asks for nothing else. */
function hmac(): SignedXml['SignatureAlgorithms'] {
  const other = new SignedXml();
  other.enableHMAC();
  return other.SignatureAlgorithms;
}

export const base64 = (xml: string): string => Buffer.from(xml).toString('base64');

/** A logout request as XML, not signed. */
export function logoutXml(
  destination: string,
  given: {
    readonly id?: string;
    readonly nameId?: string;
    readonly sessions?: readonly string[];
    readonly issuer?: string;
    readonly issued?: number;
    readonly notOnOrAfter?: number;
  } = {},
): string {
  const { nameId = 'ada@example.com', sessions = [], issuer = ISSUER, issued = 0 } = given;
  const until =
    given.notOnOrAfter === undefined ? '' : ` NotOnOrAfter="${iso(given.notOnOrAfter)}"`;
  const indexes = sessions.map((each) => `<samlp:SessionIndex>${each}</samlp:SessionIndex>`);
  return `<samlp:LogoutRequest ${SAMLP} ID="${given.id ?? newId()}" Version="2.0" IssueInstant="${iso(issued)}" Destination="${destination}"${until}><saml:Issuer ${SAML}>${issuer}</saml:Issuer><saml:NameID ${SAML}>${nameId}</saml:NameID>${indexes.join('')}</samlp:LogoutRequest>`;
}

/** The query of the redirect binding, signed with RSA and SHA-256 or what is said. */
export function redirectQuery(
  message: { readonly SAMLRequest: string } | { readonly SAMLResponse: string },
  key: string | undefined,
  more: { readonly RelayState?: string; readonly sigAlg?: string; readonly hash?: string } = {},
): string {
  const packed = Object.fromEntries(
    Object.entries(message).map(([name, xml]) => [
      name,
      deflateRawSync(Buffer.from(xml)).toString('base64'),
    ]),
  );
  const { RelayState, sigAlg = `${MORE}rsa-sha256`, hash = 'sha256' } = more;
  const state = RelayState === undefined ? {} : { RelayState };
  if (key === undefined) return stringify({ ...packed, ...state });
  const signed = stringify({ ...packed, ...state, SigAlg: sigAlg });
  const signature = signBytes(hash, Buffer.from(signed), key).toString('base64');
  return `${signed}&${stringify({ Signature: signature })}`;
}

export type TestIdp = Certificate & {
  readonly config: SamlConfig;
  /** Our pair at the gateway, with `own`. */
  readonly own?: Certificate;
  /** A signed response in Base64, as it is posted. */
  answer(sp: Sp, words?: Partial<Words>, more?: { readonly sign?: SignOptions }): string;
};

/** A provider with its key, and how the gateway is told of it; the files are in `dir`. */
export async function makeIdp(
  dir: string,
  options: {
    readonly key?: 'rsa' | 'ec';
    readonly own?: boolean;
    readonly config?: Partial<SamlConfig>;
  } = {},
): Promise<TestIdp> {
  const pair = await makeCertificate({ cn: 'idp', key: options.key ?? 'rsa' });
  const own = options.own ? await makeCertificate({ cn: 'sp', key: 'rsa' }) : undefined;
  const files = await writePem(dir, {
    idp: pair.cert,
    ...(own && { key: own.key, certificate: own.cert }),
  });
  return {
    ...pair,
    ...(own && { own }),
    config: {
      name: 'acme',
      label: 'Acme',
      protocol: 'saml',
      issuer: ISSUER,
      entryPoint: 'https://idp.example/sso',
      cert: files['idp'] ?? '',
      ...(own && { key: files['key'] ?? '', certificate: files['certificate'] ?? '' }),
      idpInitiated: false,
      claims: { email: 'email', name: 'displayName', groups: 'groups' },
      clockSkewMs: 30_000,
      ...options.config,
    },
    answer: (sp, words = {}, { sign } = {}) => {
      const assertion = signXml(assertionXml(sp, words), pair.key, sign);
      return base64(responseXml(sp, assertion, words));
    },
  };
}

/** Id of an AuthnRequest, out of the address that a browser is sent to. */
export function requestOf(url: string): string {
  const packed = new URL(url).searchParams.get('SAMLRequest') ?? '';
  const xml = inflateRawSync(Buffer.from(packed, 'base64')).toString();
  return / ID="([^"]+)"/.exec(xml)?.[1] ?? '';
}
