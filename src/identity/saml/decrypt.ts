import { constants, createDecipheriv, type KeyObject, privateDecrypt } from 'node:crypto';
import { fromBase64 } from './algorithms.ts';
import { refuse } from './refuse.ts';
import { childOf, childrenOf, type Element, textOf, theAttributeOf, theChildOf } from './xml.ts';

const DS = 'http://www.w3.org/2000/09/xmldsig#';
const ENC = 'http://www.w3.org/2001/04/xmlenc#';
const ENC11 = 'http://www.w3.org/2009/xmlenc11#';

type Open = (secret: Buffer, content: Buffer) => Buffer;

/** By the name of the cipher; the length of the key is checked by OpenSSL. */
const CIPHERS: ReadonlyMap<string, Open> = new Map([
  [`${ENC11}aes128-gcm`, gcm('aes-128-gcm')],
  [`${ENC11}aes256-gcm`, gcm('aes-256-gcm')],
  [`${ENC}aes128-cbc`, cbc('aes-128-cbc')],
  [`${ENC}aes256-cbc`, cbc('aes-256-cbc')],
]);
/** SHA-1 inside OAEP is not about collisions, and is what every provider sends by default. */
const OAEP_DIGESTS: ReadonlyMap<string, string> = new Map([
  [`${DS}sha1`, 'sha1'],
  [`${ENC}sha256`, 'sha256'],
  [`${ENC}sha512`, 'sha512'],
]);
const MASKS: ReadonlyMap<string, string> = new Map([
  [`${ENC11}mgf1sha1`, 'sha1'],
  [`${ENC11}mgf1sha256`, 'sha256'],
  [`${ENC11}mgf1sha512`, 'sha512'],
]);
const GCM_IV = 12;
const CBC_IV = 16;
const TAG = 16;

/**
 * The text inside an EncryptedAssertion (XML Encryption 1.1), for our key: AES-GCM or AES-CBC under RSA-OAEP. It is not
 * believed yet: anybody can encrypt for us. Every failure reads alike, so that nobody learns what it was.
 */
export function decrypted(holder: Element, key: KeyObject): string {
  const data = theChildOf(holder, ENC, 'EncryptedData');
  const open =
    CIPHERS.get(theAttributeOf(theChildOf(data, ENC, 'EncryptionMethod'), 'Algorithm')) ??
    refuse('it is encrypted, but not with AES-GCM or AES-CBC');
  const wrapped = encryptedKey(holder, data);
  const oaepHash = oaepOf(theChildOf(wrapped, ENC, 'EncryptionMethod'));
  const [sealed, content] = [cipherValue(wrapped), cipherValue(data)];
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const secret = privateDecrypt({ key, padding, oaepHash }, sealed);
    return new TextDecoder('utf-8', { fatal: true }).decode(open(secret, content));
  } catch {
    return refuse('it cannot be decrypted with our key');
  }
}

/** In KeyInfo, or beside the data. */
function encryptedKey(holder: Element, data: Element): Element {
  const info = childOf(data, DS, 'KeyInfo');
  const found = [
    ...(info ? childrenOf(info, ENC, 'EncryptedKey') : []),
    ...childrenOf(holder, ENC, 'EncryptedKey'),
  ];
  const [only, second] = found;
  return only && !second ? only : refuse('it is not encrypted for exactly one key');
}

function oaepOf(method: Element): string {
  const algorithm = theAttributeOf(method, 'Algorithm');
  const digest = childOf(method, DS, 'DigestMethod');
  const hash = OAEP_DIGESTS.get(digest ? theAttributeOf(digest, 'Algorithm') : `${DS}sha1`);
  const mask = childOf(method, ENC11, 'MGF');
  const masked = MASKS.get(mask ? theAttributeOf(mask, 'Algorithm') : `${ENC11}mgf1sha1`);
  const known = algorithm === `${ENC}rsa-oaep-mgf1p` || algorithm === `${ENC11}rsa-oaep`;
  // OpenSSL takes one hash for both; RSA 1.5 is refused because its errors tell the key.
  if (!known || hash === undefined || hash !== masked)
    return refuse('its key is not encrypted with RSA-OAEP under one hash');
  return hash;
}

const cipherValue = (element: Element): Buffer =>
  fromBase64(textOf(theChildOf(theChildOf(element, ENC, 'CipherData'), ENC, 'CipherValue')));

function gcm(cipher: 'aes-128-gcm' | 'aes-256-gcm'): Open {
  return (secret, content) => {
    const open = createDecipheriv(cipher, secret, content.subarray(0, GCM_IV));
    open.setAuthTag(content.subarray(-TAG));
    return Buffer.concat([open.update(content.subarray(GCM_IV, -TAG)), open.final()]);
  };
}

function cbc(cipher: 'aes-128-cbc' | 'aes-256-cbc'): Open {
  return (secret, content) => {
    const iv = content.subarray(0, CBC_IV);
    const open = createDecipheriv(cipher, secret, iv).setAutoPadding(false);
    const clear = Buffer.concat([open.update(content.subarray(CBC_IV)), open.final()]);
    // XML Encryption pads with anything; only the last byte says how much.
    const padding = clear.at(-1) ?? 0;
    if (padding < 1 || padding > CBC_IV) throw new Error('not padded');
    return clear.subarray(0, -padding);
  };
}
