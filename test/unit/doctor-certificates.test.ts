import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkCertificates } from '#cli/doctor/certificates.ts';
import { makeCertificate, writePem } from '../fakes/certificates.ts';

test('the doctor says which certificate ends, and which key belongs to none', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-doctor-'));
  try {
    const [one, two] = [await makeCertificate({ cn: 'one', days: 20 }), await makeCertificate()];
    const { key, cert, other } = await writePem(dir, { ...one, other: two.key });
    const states = async (used: string, days: number) =>
      (
        await checkCertificates(
          { tls: { key: used, cert }, targets: new Map() },
          Date.now() + days * 86_400_000,
        )
      ).map(({ state }) => state);
    assert.deepEqual(await states(key, 0), ['ok']);
    assert.deepEqual(await states(key, 10), ['warn']);
    assert.deepEqual(await states(key, 21), ['fail']);
    assert.deepEqual(await states(other, 0), ['ok', 'fail']);
    // The same one in two files is one, with both named.
    const copy = await writePem(dir, { copy: one.cert });
    const tls = { key, cert, clientCa: copy.copy };
    const [found, ...rest] = await checkCertificates(
      { tls, targets: new Map() },
      Date.now() + 21 * 86_400_000,
    );
    assert.deepEqual(rest, []);
    assert.ok(found?.next?.includes(cert) && found.next.includes(copy.copy));
  } finally {
    await rm(dir, { recursive: true });
  }
});
