import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { detect, maskDetected } from '#src/mask/detect.ts';

// Put together here, so that no scanner takes the test for a leak.
const join = (...parts: readonly string[]): string => parts.join('');
const jwt = join(
  'ey',
  'JhbGciOiJIUzI1NiJ9',
  '.',
  'ey',
  'JzdWIiOiIxMjM0NTYifQ',
  '.',
  'c2lnbmF0dXJl',
);
const pem = join(
  '-----BEGIN RSA PRIVATE',
  ' KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE',
  ' KEY-----',
);

suite('a detector', () => {
  const hits: readonly (readonly [string, string])[] = [
    // The shortest of their kinds.
    ['a@b.c', '[email]'],
    ['+12345678', '[phone]'],
    ["where email = 'ann.o+x@mail.example.com'", "where email = '[email]'"],
    ['jürgen@bücher.example', '[email]'],
    ['card 4111 1111 1111 1111 today', 'card [card] today'],
    ['id 2024 4111111111111111', 'id 2024 [card]'],
    ['378282246310005', '[card]'],
    ['5500-0000-0000-0004', '[card]'],
    ["ssn = '123-45-6789'", "ssn = '[ssn]'"],
    ['pay DE89 3704 0044 0532 0130 00 now', 'pay [iban] now'],
    ['gb82west12345698765432', '[iban]'],
    ['gb82west12345698765432 to DE89 3704 0044 0532 0130 00', '[iban] to [iban]'],
    ['call +49 (30) 123-4567', 'call [phone]'],
    ["'+14155550123'", "'[phone]'"],
    [`bearer ${jwt}`, 'bearer [token]'],
    [join('AKIA', 'IOSFODNN7EXAMPLE'), '[token]'],
    [join('ghp', '_', 'a1B2'.repeat(9)), '[token]'],
    [join('xoxb', '-', '123456789012-abcdefghij'), '[token]'],
    [join('cs', '_', 'A-_z'.repeat(12)), '[token]'],
    [`key: ${pem} end`, 'key: [private key] end'],
    [`key: ${pem.slice(0, 50)}`, 'key: [private key]'],
    ['postgres://app:hunter2@db/shop', 'postgres://[password]@db/shop'],
    ['４１１１１１１１１１１１１１１１', '[card]'],
    ['411111\u200b1111111111', '[card]'],
    ['ann@example.com,bob@example.com', '[email],[email]'],
  ];
  for (const [value, expected] of hits)
    test(`finds and hides what is in ${JSON.stringify(value)}`, () => {
      assert.equal(detect(value), true);
      assert.equal(maskDetected(value), expected);
    });

  const misses = [
    '',
    "update orders set status = 'refunded' where id = 42",
    'select * from customers limit 5',
    '4111 1111 1111 1112',
    '1763674200000000',
    '2026-11-20 21:08:29.123456+00',
    'DE89370400440532013001',
    '00000000-0000-4000-8000-000000000000',
    'select a + 1234, b@c from t',
    'cs_short eyes.open.wide',
    'Grüße aus Köln',
  ];
  for (const value of misses)
    test(`leaves ${JSON.stringify(value)} as it is`, () => {
      assert.equal(detect(value), false);
      assert.equal(maskDetected(value), value);
    });

  test('finds nothing in what it has masked', () => {
    const samples = hits.map(([value]) => value);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...samples), fc.string())), (parts) => {
        assert.equal(detect(maskDetected(parts.join(' '))), false);
      }),
    );
  });

  test('takes time in proportion to the text, whatever the text is', () => {
    const units = [
      'a',
      '1',
      '1 ',
      '+1',
      '@',
      'a@',
      '@a.',
      '-ey',
      'ey.',
      'eyaaaaaaaaaa.',
      '://a:',
      'DE12 ',
      '4111 ',
      '-----BEGIN PRIVATE KEY-----',
      'xoxb-',
      'é',
    ];
    for (const unit of units) {
      const cost = (length: number): number => {
        const value = unit.repeat(length / unit.length);
        const before = process.cpuUsage();
        detect(value);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      };
      cost(4_096);
      const small = Math.max(cost(16_384), 5_000);
      // Quadratic work would cost 256 times as much for 16 times the text.
      assert.ok(cost(262_144) < small * 100, unit);
    }
  });
});
