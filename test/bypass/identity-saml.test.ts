import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { assertionXml, base64, type SignOptions, signXml, type Words } from '../fakes/saml-idp.ts';
import { wrappings } from '../fakes/saml-wrapping.ts';
import { AS_VICTIM, samlWorld, VICTIM } from './saml-world.ts';

const SHA1 = 'http://www.w3.org/2000/09/xmldsig#';

const world = samlWorld({ own: true });
const respond = (inside: string, inResponseTo: string) =>
  world.current.respond(inside, inResponseTo);
const signed = (inResponseTo: string, words?: Partial<Words>, sign?: SignOptions) =>
  world.current.signed(inResponseTo, words, sign);
/** What the provider could say, and has not signed. */
const unsigned = (inResponseTo: string, words: Partial<Words> = {}) =>
  assertionXml(world.current.saml.sp, { inResponseTo, ...words });
const withoutSignatures = (xml: string): string =>
  xml.replaceAll(/<Signature [\s\S]*?<\/Signature>/g, '');

suite('forged answers of a SAML provider', () => {
  test('the honest one signs in, so the others are refused for what they are', async () => {
    const { request, browser } = await world.current.saml.begin('/records');
    const { ticket, cookies } = await world.current.saml.answer(
      base64(respond(signed(request), request)),
      request,
    );
    assert.deepEqual(cookies, []);
    const done = await browser.post('/saml/acme/finish', { ticket });
    assert.equal(done.location, '/records', done.text);
    assert.match((await browser.get('/records')).text, /Ada Lovelace/);
  });

  for (let i = 1; i <= 8; i++)
    test(`signature wrapping XSW${i}`, async () => {
      await world.current.refused(
        (inResponseTo) =>
          wrappings(world.current.saml.sp, world.current.idp.key, {
            inResponseTo,
            victim: VICTIM,
          }).get(`XSW${i}`) ?? '',
        /exactly one assertion|unusual/,
      );
    });

  const nodes = { 'a comment': '<!---->', 'a processing instruction': '<?x?>' };
  for (const [what, node] of Object.entries(nodes))
    for (const where of ['NameID', 'an attribute'])
      test(`${what} that splits the address in ${where}`, async () => {
        const address = `${VICTIM}.evil.example`;
        const words =
          where === 'NameID' ? { nameId: address } : { attributes: { email: [address] } };
        await world.current.refused((inResponseTo) => {
          const honest = signed(inResponseTo, words);
          const split = honest.replace(address, `${VICTIM}${node}.evil.example`);
          assert.notEqual(split, honest);
          return respond(split, inResponseTo);
        }, /comment/);
      });
  test('CDATA in an attribute', async () => {
    const words = { attributes: { email: [`<![CDATA[${VICTIM}]]>`] } };
    await world.current.refused((id) => respond(signed(id, words), id), /CDATA/);
  });

  const forged: readonly [string, (inResponseTo: string) => string, RegExp][] = [
    ['an unsigned assertion', (id) => respond(unsigned(id), id), /Assertion is not signed/],
    [
      'a signed response around an unsigned assertion',
      (id) =>
        signXml(respond(unsigned(id), id), world.current.idp.key, {
          element: 'Response',
        }),
      /Assertion is not signed/,
    ],
    ['a stripped signature', (id) => withoutSignatures(respond(signed(id), id)), /is not signed/],
    [
      'a changed address',
      (id) => respond(signed(id).replaceAll('ada@example.com', VICTIM), id),
      /changed after it was signed/,
    ],
    [
      'an attribute that was added',
      (id) =>
        respond(
          signed(id).replace(
            '<saml:AttributeValue>dba',
            '<saml:AttributeValue>security</saml:AttributeValue><saml:AttributeValue>dba',
          ),
          id,
        ),
      /changed after/,
    ],
    [
      'a signature with SHA-1',
      (id) => respond(signed(id, {}, { signature: `${SHA1}rsa-sha1` }), id),
      /SHA-256 is the least/,
    ],
    [
      'a digest with SHA-1',
      (id) => respond(signed(id, {}, { digest: `${SHA1}sha1` }), id),
      /SHA-256 is the least/,
    ],
    [
      'a foreign key with its certificate in KeyInfo',
      (id) =>
        respond(
          signXml(unsigned(id, AS_VICTIM), world.current.mallory.key, {
            keyInfo: world.current.mallory.cert,
          }),
          id,
        ),
      /not by one of the provider/,
    ],
    [
      'HMAC with the public certificate as its secret',
      (id) =>
        respond(
          signXml(unsigned(id, AS_VICTIM), world.current.idp.key, {
            key: world.current.idp.cert,
            signature: `${SHA1}hmac-sha1`,
          }),
          id,
        ),
      /HMAC/,
    ],
    [
      'a signature of the assertion by somebody else, and of the response by the provider',
      (id) =>
        signXml(
          respond(signXml(unsigned(id, AS_VICTIM), world.current.mallory.key), id),
          world.current.idp.key,
          { element: 'Response' },
        ),
      /not by one of/,
    ],
    [
      'a response whose own signature is broken',
      (id) =>
        signXml(respond(signed(id), id), world.current.idp.key, { element: 'Response' }).replace(
          'Success',
          'Success" x="y',
        ),
      /changed after/,
    ],
    [
      'two assertions, both signed',
      (id) => respond(signed(id) + signed(id, AS_VICTIM), id),
      /exactly one assertion/,
    ],
    [
      'the same id twice',
      (id) => {
        const one = signed(id, { id: '_same' });
        return respond(
          one + assertionXml(world.current.saml.sp, { id: '_same', ...AS_VICTIM }),
          id,
        );
      },
      /id is there twice/,
    ],
    [
      'a DTD with an entity',
      (id) => `<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>${respond(signed(id), id)}`,
      /DTD/,
    ],
    [
      'a billion laughs',
      (id) =>
        `<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>${respond(signed(id).replace('Ada', '&b;'), id)}`,
      /DTD/,
    ],
    ['an entity without its DTD', (id) => respond(signed(id).replace('Ada', '&e;'), id), /entity/],
  ];
  for (const [what, make, why] of forged) test(what, () => world.current.refused(make, why));

  test('what is larger than 256 KiB is not read', async () => {
    const { saml } = world.current;
    const { request } = await saml.begin();
    const large = respond(signed(request), request) + ' '.repeat(300_000);
    assert.equal((await saml.answer(base64(large), request)).status, 403);
    assert.equal((await saml.answer(base64(large + large), request)).status, 413);
  });
  test('nobody came in by any of them, and each is in the log with its reason', async () => {
    const { gateway } = world.current;
    const { rows } = await gateway.storeSql.query(
      'select distinct person from countersign.sign_in',
    );
    assert.deepEqual(rows, [{ person: 'ada@example.com' }]);
    const failed = (await gateway.records('sign-in')).map(({ json }) => json.body.failed);
    assert.ok(failed.includes('it was changed after it was signed'), JSON.stringify(failed));
    assert.doesNotMatch(gateway.logged.join(''), /AttributeValue|PHNhbWxw/);
    await gateway.verify();
  });
});
