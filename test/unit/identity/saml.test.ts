import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { SignedXml } from 'xml-crypto';
import type { SamlConfig } from '#src/config/identity.ts';
import { SamlService } from '#src/identity/saml/service.ts';
import { makeCertificate } from '../../fakes/certificates.ts';
import { encryptXml } from '../../fakes/saml-encrypt.ts';
import {
  assertionXml,
  base64,
  makeIdp,
  requestOf,
  responseXml,
  signXml,
  type TestIdp,
  type Words,
} from '../../fakes/saml-idp.ts';
import { memoryStore } from '../../fakes/saml-store.ts';

const URL_OF_US = 'https://gw.example';
const SP = { acs: `${URL_OF_US}/saml/acme/acs`, audience: `${URL_OF_US}/saml/acme/metadata` };
const BROWSER = Buffer.from('this browser');

let dir: string;
let idp: TestIdp;
let ec: TestIdp;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-saml-'));
  const other = await mkdtemp(join(dir, 'ec-'));
  [idp, ec] = await Promise.all([makeIdp(dir, { own: true }), makeIdp(other, { key: 'ec' })]);
});
after(() => rm(dir, { recursive: true }));

function serviceOf(config: SamlConfig) {
  const store = memoryStore();
  return { service: new SamlService(config, URL_OF_US, store), store };
}

/** Signs in with what `make` answers to the request; resolves to what the gateway has understood. */
async function signIn(
  provider: TestIdp,
  make: (inResponseTo: string) => string,
  config: Partial<SamlConfig> = {},
) {
  const { service, store } = serviceOf({ ...provider.config, ...config });
  const request = requestOf(await service.begin(BROWSER, '/records'));
  const ticket = await service.take(make(request), request);
  const done = await store.finish('acme', ticket, BROWSER);
  assert.equal(done?.next, '/records');
  return done.assertion;
}

const say =
  (provider: TestIdp, words: Partial<Words> = {}) =>
  (inResponseTo: string) =>
    provider.answer(SP, { inResponseTo, ...words });

suite('a sign-in by SAML', () => {
  test('says who it is, with what the attributes say', async () => {
    const said = await signIn(idp, say(idp));
    const { authTime, idToken, ...rest } = said;
    assert.deepEqual(rest, {
      provider: 'acme',
      subject: 'ada@example.com',
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      groups: ['dba', 'engineering'],
      acr: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
      sid: 's1',
    });
    assert.ok(Math.abs((authTime ?? 0) - Date.now()) < 60_000);
    assert.match(idToken ?? '', /"value":"ada@example.com"/);
  });
  test('with an ECDSA key', async () => {
    assert.equal((await signIn(ec, say(ec))).email, 'ada@example.com');
  });
  test('with RSA and SHA-512', async () => {
    const sign = {
      signature: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
      digest: 'http://www.w3.org/2001/04/xmlenc#sha512',
    };
    const said = await signIn(idp, (inResponseTo) => idp.answer(SP, { inResponseTo }, { sign }));
    assert.equal(said.email, 'ada@example.com');
  });
  test('with a prefix list, prefixes of the response, and an assertion and a response that are both signed', async () => {
    const said = await signIn(idp, (inResponseTo) => {
      const inside = signXml(assertionXml(SP, { inResponseTo }), idp.key, {
        inclusive: ['saml', 'xs'],
      });
      return base64(
        signXml(responseXml(SP, inside, { inResponseTo }), idp.key, { element: 'Response' }),
      );
    });
    assert.equal(said.name, 'Ada Lovelace');
  });
  test('with characters of every kind in values', async () => {
    const displayName = ['A&amp;B &lt;ü&gt; &#x1F600; &quot;x&quot;'];
    const attributes = { email: ['ada@example.com'], displayName, groups: ['a &amp; b'] };
    const said = await signIn(idp, say(idp, { attributes }));
    assert.equal(said.name, 'A&B <ü> 😀 "x"');
    assert.deepEqual(said.groups, ['a & b']);
  });
  test('with line ends as Windows writes them, and carriage returns in Base64', async () => {
    const said = await signIn(idp, (inResponseTo) => {
      const signed = Buffer.from(idp.answer(SP, { inResponseTo }), 'base64').toString();
      const wrapped = signed.replace(/<SignatureValue>([^<]{60})/, '<SignatureValue>$1&#13;\r\n');
      assert.notEqual(wrapped, signed);
      return base64(`<?xml version="1.0" encoding="UTF-8"?>\r\n${wrapped}`);
    });
    assert.equal(said.email, 'ada@example.com');
  });
  for (const cipher of ['aes256-gcm', 'aes128-cbc'] as const)
    for (const wrap of ['mgf1p', 'sha256'] as const)
      test(`encrypted with ${cipher} and RSA-OAEP ${wrap}`, async () => {
        const said = await signIn(idp, (inResponseTo) => {
          const signed = signXml(assertionXml(SP, { inResponseTo }), idp.key);
          const sealed = encryptXml(signed, idp.own?.cert ?? '', { cipher, wrap });
          return base64(responseXml(SP, sealed, { inResponseTo }));
        });
        assert.equal(said.email, 'ada@example.com');
      });
  test('groups are those that the configuration maps, once each', async () => {
    const groups = new Map([
      ['a1b2', 'dba'],
      ['c3d4', 'dba'],
    ]);
    const attributes = { email: ['ada@example.com'], groups: ['a1b2', 'c3d4', 'other'] };
    const said = await signIn(idp, say(idp, { attributes }), { groups });
    assert.deepEqual(said.groups, ['dba']);
    assert.equal(said.name, 'ada@example.com');
  });
  test('the address can be the NameID, and is in lower case', async () => {
    const claims = { email: 'nameID', name: 'displayName', groups: 'groups' };
    const said = await signIn(idp, say(idp, { nameId: 'Ada@Example.com', attributes: {} }), {
      claims,
    });
    assert.equal(said.email, 'ada@example.com');
    assert.equal(said.subject, 'Ada@Example.com');
  });
  const refused: readonly [string, Partial<Words>, Partial<SamlConfig>, RegExp][] = [
    [
      'a domain of somebody else',
      {},
      { domains: ['example.org'] },
      /may not speak for addresses of example\.com/,
    ],
    [
      'an address of several values',
      { attributes: { email: ['a@example.com', 'b@example.com'] } },
      {},
      /several values/,
    ],
    [
      'an address with a letter that only looks Latin',
      { attributes: { email: ['\u212a@example.com'] } },
      {},
      /no usable e-mail address/,
    ],
    ['no address', { attributes: {} }, {}, /the attribute email holds no usable/],
    [
      'another NameID each time',
      { format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
      {},
      /transient/,
    ],
    [
      'a session there that is over',
      { sessionUntil: -60_000 },
      {},
      /session at the provider has ended/,
    ],
    [
      'a time that is not in UTC',
      { attributes: {}, id: '_x" AuthnInstant="1' },
      {},
      /attribute is there twice|not well-formed|refused/,
    ],
  ];
  for (const [what, words, config, why] of refused)
    test(`is refused with ${what}`, async () => {
      await assert.rejects(signIn(idp, say(idp, words), config), why);
    });
  test('a provider that did not sign in is quoted by its code only', async () => {
    const { service } = serviceOf(idp.config);
    const request = requestOf(await service.begin(BROWSER, '/'));
    const answer = base64(responseXml(SP, '', { inResponseTo: request, status: 'Responder' }));
    await assert.rejects(service.take(answer, request), /did not sign you in \(Responder\)/);
  });
});

suite('its files', () => {
  test('a certificate that was added or taken out counts at the next sign-in', async () => {
    const next = await makeCertificate({ cn: 'next', key: 'rsa' });
    const cert = join(dir, 'rolled.pem');
    const config = { cert };
    const byNext = (inResponseTo: string) =>
      base64(
        responseXml(SP, signXml(assertionXml(SP, { inResponseTo }), next.key), { inResponseTo }),
      );
    await writeFile(cert, idp.cert);
    await assert.rejects(signIn(idp, byNext, config), /not by one of the provider's certificates/);
    await writeFile(cert, `${idp.cert}\n${next.cert}`);
    await signIn(idp, byNext, config);
    await signIn(idp, say(idp), config);
    await writeFile(cert, next.cert);
    await assert.rejects(signIn(idp, say(idp), config), /not by one of/);
  });
  test('a file that cannot be used is named, and nobody signs in', async () => {
    const file = join(dir, 'bad.pem');
    for (const [text, why] of [
      ['', /holds no certificate/],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /cannot be read/],
    ] as const) {
      await writeFile(file, text);
      await assert.rejects(signIn(idp, say(idp), { cert: file }), why);
    }
    await assert.rejects(signIn(idp, say(idp), { cert: join(dir, 'none') }), /cannot be read/);
    await writeFile(file, idp.cert, { mode: 0o644 });
    const own = { key: idp.config.key ?? '', certificate: file };
    await assert.rejects(signIn(idp, say(idp), own), /does not belong to/);
  });
});

suite('what the gateway sends', () => {
  test('its metadata are signed, and name where answers come to', async () => {
    const metadata = await serviceOf(idp.config).service.metadata();
    assert.match(metadata, /entityID="https:\/\/gw\.example\/saml\/acme\/metadata"/);
    assert.match(metadata, /HTTP-POST" Location="https:\/\/gw\.example\/saml\/acme\/acs"/);
    assert.match(metadata, /Location="https:\/\/gw\.example\/saml\/acme\/slo"/);
    assert.match(metadata, /WantAssertionsSigned="true"/);
    const signature = /<Signature [\s\S]*<\/Signature>/.exec(metadata)?.[0] ?? '';
    const check = new SignedXml({ publicCert: idp.own?.cert ?? '' });
    check.loadSignature(signature);
    assert.equal(check.checkSignature(metadata), true);
    assert.doesNotMatch(await serviceOf(ec.config).service.metadata(), /Signature|KeyDescriptor/);
  });
  test('a request is signed with a key, and its RelayState is its own id', async () => {
    const { service } = serviceOf(idp.config);
    const address = new URL(await service.begin(BROWSER, '/'));
    assert.equal(address.origin + address.pathname, 'https://idp.example/sso');
    assert.equal(address.searchParams.get('RelayState'), requestOf(address.href));
    assert.match(address.searchParams.get('SigAlg') ?? '', /rsa-sha256$/);
  });
});
