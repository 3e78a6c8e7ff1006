import {
  constants,
  createCipheriv,
  publicEncrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto';

const DS = 'http://www.w3.org/2000/09/xmldsig#';
const ENC = 'http://www.w3.org/2001/04/xmlenc#';
const ENC11 = 'http://www.w3.org/2009/xmlenc11#';

const CIPHERS = {
  'aes256-gcm': { uri: `${ENC11}aes256-gcm`, name: 'aes-256-gcm', key: 32, iv: 12 },
  'aes128-cbc': { uri: `${ENC}aes128-cbc`, name: 'aes-128-cbc', key: 16, iv: 16 },
  'tripledes-cbc': { uri: `${ENC}tripledes-cbc`, name: 'des-ede3-cbc', key: 24, iv: 8 },
} as const;

const WRAPS = {
  mgf1p: {
    method: `<xenc:EncryptionMethod Algorithm="${ENC}rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="${DS}sha1"/></xenc:EncryptionMethod>`,
    with: { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  },
  sha256: {
    method: `<xenc:EncryptionMethod Algorithm="${ENC11}rsa-oaep"><ds:DigestMethod Algorithm="${ENC}sha256"/><e11:MGF xmlns:e11="${ENC11}" Algorithm="${ENC11}mgf1sha256"/></xenc:EncryptionMethod>`,
    with: { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
  },
  'rsa-1_5': {
    method: `<xenc:EncryptionMethod Algorithm="${ENC}rsa-1_5"/>`,
    with: { padding: constants.RSA_PKCS1_PADDING },
  },
} as const;

/** An EncryptedAssertion (XML Encryption 1.1) around the text, for the key of this certificate. */
export function encryptXml(
  xml: string,
  certificate: string,
  {
    cipher = 'aes256-gcm',
    wrap = 'mgf1p',
  }: { readonly cipher?: keyof typeof CIPHERS; readonly wrap?: keyof typeof WRAPS } = {},
): string {
  const { uri, name, key: length, iv: ivLength } = CIPHERS[cipher];
  const [key, iv] = [randomBytes(length), randomBytes(ivLength)];
  const sealing = createCipheriv(name as 'aes-256-gcm', key, iv);
  const sealed = Buffer.concat([iv, sealing.update(xml, 'utf8'), sealing.final()]);
  const content = cipher === 'aes256-gcm' ? Buffer.concat([sealed, sealing.getAuthTag()]) : sealed;
  const { publicKey } = new X509Certificate(certificate);
  const wrapped = publicEncrypt({ key: publicKey, ...WRAPS[wrap].with }, key);
  return `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><xenc:EncryptedData xmlns:xenc="${ENC}" Type="${ENC}Element"><xenc:EncryptionMethod Algorithm="${uri}"/><ds:KeyInfo xmlns:ds="${DS}"><xenc:EncryptedKey>${WRAPS[wrap].method}${value(wrapped)}</xenc:EncryptedKey></ds:KeyInfo>${value(content)}</xenc:EncryptedData></saml:EncryptedAssertion>`;
}

const value = (bytes: Buffer): string =>
  `<xenc:CipherData><xenc:CipherValue>${bytes.toString('base64')}</xenc:CipherValue></xenc:CipherData>`;
