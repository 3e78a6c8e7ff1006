import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { before, suite, test } from 'node:test';
import fc from 'fast-check';
import { readAssertion } from '#src/identity/saml/assertion.ts';
import { readResponse } from '#src/identity/saml/response.ts';
import { textOf } from '#src/identity/saml/xml.ts';
import { NotWelcome } from '#src/identity/sign-in.ts';
import { makeCertificate } from '../../fakes/certificates.ts';
import { assertionXml, ISSUER, responseXml, signXml } from '../../fakes/saml-idp.ts';

const SP = { acs: 'https://gw.example/acs', audience: 'https://gw.example/metadata' };
const REQUEST = '_request';

suite('changed messages', () => {
  let honest = '';
  let read: (xml: string) => string;
  before(async () => {
    const { key, cert } = await makeCertificate({ cn: 'idp', key: 'rsa' });
    const clock = { now: Date.now(), skewMs: 30_000 };
    const trust = { issuer: ISSUER, keys: [createPublicKey(cert)], clock };
    const assertion = signXml(assertionXml(SP, { inResponseTo: REQUEST }), key);
    honest = responseXml(SP, assertion, { inResponseTo: REQUEST });
    read = (xml) => {
      const { assertion: signed, request } = readResponse(xml, SP.acs, trust);
      const expected = { issuer: ISSUER, audience: SP.audience, recipient: SP.acs, request, clock };
      const { nameId, attributes, id } = readAssertion(signed, expected);
      const all = [...attributes].map(([name, values]) => [name, values.map(textOf)]);
      return JSON.stringify([id, request, nameId, all]);
    };
  });

  /** Refused, or understood as what the provider has signed; never anything else, and never another error. */
  const check = (xml: string): void => {
    const said = read(honest);
    try {
      assert.equal(read(xml), said);
    } catch (error) {
      if (!(error instanceof NotWelcome)) throw error;
    }
  };
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const pieces = [
    '<',
    '>',
    '&',
    '"',
    "'",
    '/',
    '=',
    ' ',
    '\n',
    'ID="x"',
    '&amp;',
    '&#65;',
    '<!---->',
    '<?x?>',
    '<a/>',
    '</saml:Assertion>',
    '<saml:Assertion>',
    '<saml:NameID>eve</saml:NameID>',
    'xmlns="urn:x"',
    'eve@example.com',
  ];

  test('a piece that is put in anywhere', () => {
    fc.assert(
      fc.property(place, fc.oneof(fc.constantFrom(...pieces), fc.string()), (where, piece) => {
        const at = Math.floor(where * honest.length);
        check(honest.slice(0, at) + piece + honest.slice(at));
      }),
      { numRuns: 300 },
    );
  });
  test('a part that is taken out, doubled or moved', () => {
    fc.assert(
      fc.property(place, place, place, fc.constantFrom('out', 'twice', 'moved'), (a, b, c, how) => {
        const [from = 0, to = 0] = [a, b]
          .map((each) => Math.floor(each * honest.length))
          .toSorted((x, y) => x - y);
        const part = honest.slice(from, to);
        const rest = honest.slice(0, from) + honest.slice(to);
        const at = Math.floor(c * rest.length);
        if (how === 'out') check(rest);
        else if (how === 'twice') check(honest.slice(0, to) + part + honest.slice(to));
        else check(rest.slice(0, at) + part + rest.slice(at));
      }),
      { numRuns: 300 },
    );
  });
  test('whole elements that change places', () => {
    const names = ['Issuer', 'Subject', 'NameID', 'Conditions', 'AuthnStatement', 'Attribute'];
    const elements = [...names.map((name) => `saml:${name}`), 'Signature', 'saml:Assertion'].map(
      (name) => new RegExp(`<${name}[ >][^]*?</${name}>`).exec(honest)?.[0] ?? assert.fail(name),
    );
    fc.assert(
      fc.property(fc.constantFrom(...elements), fc.constantFrom(...elements), (one, other) => {
        check(honest.replace(one, () => other));
        check(honest.replace(one, () => one + other));
      }),
      { numRuns: 150 },
    );
  });
});
