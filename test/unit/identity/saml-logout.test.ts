import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, suite, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import type { SamlConfig } from '#src/config/identity.ts';
import { SamlService } from '#src/identity/saml/service.ts';
import {
  base64,
  logoutXml,
  makeIdp,
  redirectQuery,
  signXml,
  type TestIdp,
} from '../../fakes/saml-idp.ts';
import { memoryStore } from '../../fakes/saml-store.ts';

const SLO = 'https://gw.example/saml/acme/slo';

let dir: string;
let idp: TestIdp;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-saml-'));
  idp = await makeIdp(dir, { own: true });
});
after(() => rm(dir, { recursive: true }));

const ended: string[] = [];
beforeEach(() => void ended.splice(0));
const end = async (person: string): Promise<void> => void ended.push(person);

const serviceOf = (config: Partial<SamlConfig> = {}) =>
  new SamlService({ ...idp.config, ...config }, 'https://gw.example', memoryStore());

suite('single logout', () => {
  test('a request by redirect ends the sessions that it names, and is answered', async () => {
    const service = serviceOf({ logoutUrl: 'https://idp.example/slo' });
    const query = redirectQuery(
      { SAMLRequest: logoutXml(SLO, { sessions: ['s1', 's2'] }) },
      idp.key,
      { RelayState: 'it is (mine)~!*' },
    );
    const heard = await service.hear({ binding: 'redirect', query }, 'it is (mine)~!*', end);
    assert.deepEqual(ended, ['ada@example.com s1 s2']);
    const reply = new URL(heard ?? '');
    assert.equal(reply.searchParams.get('RelayState'), 'it is (mine)~!*');
    // What was signed is what is sent, whatever the characters.
    const [signed = '', signature = ''] = reply.search.slice(1).split('&Signature=');
    const bytes = Buffer.from(decodeURIComponent(signature), 'base64');
    assert.equal(verify('sha256', Buffer.from(signed), idp.own?.cert ?? '', bytes), true);
    await assert.rejects(
      service.hear({ binding: 'redirect', query }, undefined, end),
      /used before/,
    );
  });
  test('a request by POST ends all sessions when it names none', async () => {
    const service = serviceOf();
    const message = base64(signXml(logoutXml(SLO), idp.key, { element: 'LogoutRequest' }));
    const heard = await service.hear({ binding: 'post', message }, undefined, end);
    assert.equal(heard, undefined);
    assert.deepEqual(ended, ['ada@example.com']);
  });
  test('we say whom to sign out there', async () => {
    const service = serviceOf({ logoutUrl: 'https://idp.example/slo' });
    const address = await service.signOut('{"value":"ada","format":"urn:f"}', 's1');
    const packed = Buffer.from(
      new URL(address ?? '').searchParams.get('SAMLRequest') ?? '',
      'base64',
    );
    const xml = inflateRawSync(packed).toString();
    assert.match(xml, /<saml:NameID Format="urn:f">ada<\/saml:NameID>/);
    assert.match(xml, /SessionIndex[^>]*>s1</);
  });
  const bad: readonly [string, () => { query?: string; message?: string }, RegExp][] = [
    [
      'an unsigned redirect',
      () => ({ query: redirectQuery({ SAMLRequest: logoutXml(SLO) }, undefined) }),
      /not signed/,
    ],
    [
      'a redirect signed with SHA-1',
      () => ({
        query: redirectQuery({ SAMLRequest: logoutXml(SLO) }, idp.key, {
          sigAlg: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1',
          hash: 'sha1',
        }),
      }),
      /SHA-256 is the least/,
    ],
    [
      'a changed redirect',
      () => ({
        query: redirectQuery({ SAMLRequest: logoutXml(SLO) }, idp.key, { RelayState: 'a' }).replace(
          'RelayState=a',
          'RelayState=b',
        ),
      }),
      /not by one of/,
    ],
    [
      'a second message beside the signed one',
      () => ({ query: `SAMLRequest=x&${redirectQuery({ SAMLRequest: logoutXml(SLO) }, idp.key)}` }),
      /twice/,
    ],
    [
      'a bomb',
      () => ({
        query: redirectQuery({ SAMLRequest: `${logoutXml(SLO)}${' '.repeat(5_000_000)}` }, idp.key),
      }),
      /larger than 64 KiB/,
    ],
    ['an unsigned POST', () => ({ message: base64(logoutXml(SLO)) }), /is not signed/],
    [
      'a POST of another issuer',
      () => ({
        message: base64(
          signXml(logoutXml(SLO, { issuer: 'https://else' }), idp.key, {
            element: 'LogoutRequest',
          }),
        ),
      }),
      /another provider/,
    ],
    [
      'a POST for somebody else',
      () => ({
        message: base64(
          signXml(logoutXml('https://else/slo'), idp.key, { element: 'LogoutRequest' }),
        ),
      }),
      /somebody else/,
    ],
    [
      'an old POST',
      () => ({
        message: base64(
          signXml(logoutXml(SLO, { issued: -900_000 }), idp.key, { element: 'LogoutRequest' }),
        ),
      }),
      /expired/,
    ],
  ];
  for (const [what, make, why] of bad)
    test(`${what} ends nothing`, async () => {
      const service = serviceOf();
      const { query, message } = make();
      const heard =
        query === undefined
          ? service.hear({ binding: 'post', message: message ?? '' }, undefined, end)
          : service.hear({ binding: 'redirect', query }, undefined, end);
      await assert.rejects(heard, why);
      assert.deepEqual(ended, []);
    });
});
