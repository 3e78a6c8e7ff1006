import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openAuthority } from '#src/identity/ca.ts';
import { bits, context, integer, oid, sequence, time } from '#src/identity/der.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'countersign-ca-'));
});
after(() => rm(dir, { recursive: true }));

const openssl = async (...args: string[]) => (await promisify(execFile)('openssl', args)).stdout;
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const inAnHour = new Date(Date.now() + 3_600_000);

test('OpenSSL verifies what the authority issues, for clients and for nothing else', async () => {
  const authority = await openAuthority(dir);
  const certificate = authority.issue('ann@example.com', publicKey, inAnHour);
  const [root, leaf] = [join(dir, 'root.pem'), join(dir, 'leaf.pem')];
  await writeFile(root, authority.cert);
  await writeFile(leaf, certificate.toString());
  const strict = ['verify', '-x509_strict', '-CAfile', root];
  assert.match(await openssl(...strict, '-purpose', 'sslclient', leaf), /OK/);
  await assert.rejects(openssl(...strict, '-purpose', 'sslserver', leaf));
  await assert.rejects(openssl('verify', '-CAfile', leaf, '-partial_chain', root));
  const text = await openssl('x509', '-noout', '-text', '-in', leaf);
  assert.match(text, /email:ann@example\.com/);
  assert.match(text, /TLS Web Client Authentication/);
  assert.match(text, /CA:FALSE/);
  assert.equal(certificate.checkPrivateKey(privateKey), true);
  assert.equal(certificate.checkEmail('ann@example.com'), 'ann@example.com');
  assert.equal(certificate.ca, false);
});

test('a long address stands in the names only, and one beyond ASCII fits in none', async () => {
  const authority = await openAuthority(dir);
  const long = `${'a'.repeat(60)}@example.com`;
  const certificate = authority.issue(long, publicKey, inAnHour);
  assert.equal(certificate.checkEmail(long, { subject: 'never' }), long);
  assert.ok(!certificate.subject);
  assert.throws(() => authority.issue('änn@example.com', publicKey, inAnHour), /ASCII/);
});

test('the authority is made once, however many ask at the same moment', async () => {
  const folder = join(dir, 'race');
  const made = await Promise.all(Array.from({ length: 8 }, () => openAuthority(folder)));
  assert.equal(new Set(made.map(({ cert }) => cert)).size, 1);
  assert.equal((await openAuthority(folder)).cert, made[0]?.cert);
  const serials = [1, 2].map(
    () => made[0]?.issue('a@b', publicKey, inAnHour) ?? new X509Certificate(''),
  );
  assert.notEqual(serials[0]?.serialNumber, serials[1]?.serialNumber);
});

const hex = (der: Buffer) => der.toString('hex');

test('DER is written as X.690 has it', () => {
  assert.equal(hex(oid('1.2.840.10045.4.3.2')), '06082a8648ce3d040302');
  assert.equal(hex(integer(Buffer.of(0x80))), '02020080');
  assert.equal(hex(integer(Buffer.of(0, 0, 0x7f))), '02017f');
  assert.equal(hex(integer(Buffer.of(0))), '020100');
  assert.equal(hex(bits(Buffer.of(0x04), 2)), '03020204');
  assert.equal(hex(sequence(Buffer.alloc(200))).slice(0, 6), '3081c8');
  assert.equal(hex(sequence(Buffer.alloc(300))).slice(0, 8), '3082012c');
  assert.equal(hex(context(1, Buffer.from('a'), false)), '810161');
  assert.equal(time(new Date('2049-12-31T23:59:59.999Z')).toString().slice(2), '491231235959Z');
  assert.equal(time(new Date('2050-01-01T00:00:00Z')).toString().slice(2), '20500101000000Z');
});
