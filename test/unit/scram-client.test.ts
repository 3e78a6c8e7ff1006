import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import { SCRAM, SCRAM_PLUS, ScramClient } from '#gateway/postgres/scram-client.ts';
import { scramKeys, startScram } from '#src/identity/scram.ts';

const salt = randomBytes(16);
const secretsOf = (password: string, iterations = 4096) => ({
  salt,
  iterations,
  verifiers: [{ token: 'the one', ...scramKeys(password, salt, iterations) }],
});

/** The whole exchange with our own server's side; whether each has believed the other. */
async function exchange(
  password: string,
  known: string,
  channel: ConstructorParameters<typeof ScramClient>[0] = { able: false },
) {
  const client = new ScramClient(channel);
  const on = { endPoint: channel.endPoint, plus: channel.endPoint !== undefined };
  const server = startScram(client.first, secretsOf(known), on);
  assert.ok(server);
  const answer = server.finish(await client.final(password, server.serverFirst));
  return { client, answer, believed: answer !== undefined && client.isProof(answer.serverFinal) };
}

const nonceOf = ({ first }: ScramClient): string => first.slice(first.indexOf('r=') + 2);

suite('the client’s side of SCRAM', () => {
  test('proves a password, and has the server prove it too', async () => {
    const { client, answer, believed } = await exchange('pencil', 'pencil');
    assert.equal(client.mechanism, SCRAM);
    assert.equal(answer?.token, 'the one');
    assert.equal(believed, true);
    for (const lie of ['v=', 'e=other-error', `v=${randomBytes(32).toString('base64')}`, ''])
      assert.equal(client.isProof(lie), false, lie);
  });

  test('proves nothing with another password, whatever it has proven before', async () => {
    assert.equal((await exchange('pencil', 'pencil')).believed, true);
    assert.equal((await exchange('pencil2', 'pencil')).answer, undefined);
    assert.equal((await exchange('pencil', 'pencil2')).answer, undefined);
  });

  test('binds to the channel, and to no other', async () => {
    const endPoint = randomBytes(32);
    const { client, believed } = await exchange('pencil', 'pencil', { endPoint, able: true });
    assert.equal(client.mechanism, SCRAM_PLUS);
    assert.equal(believed, true);
    const elsewhere = new ScramClient({ endPoint, able: true });
    const on = { endPoint: randomBytes(32), plus: true };
    const server = startScram(elsewhere.first, secretsOf('pencil'), on);
    const final = await elsewhere.final('pencil', server?.serverFirst ?? '');
    assert.throws(() => server?.finish(final), /channel binding check failed/);
  });

  test('tells a server that it could have bound', () => {
    assert.match(new ScramClient({ able: true }).first, /^y,,/);
    assert.match(new ScramClient({ able: false }).first, /^n,,/);
  });

  test('takes a password in the form in which PostgreSQL keeps it', async () => {
    const forms = { 'I\u00ADX': 'IX', '\u2168': 'IX', 'a\u00A0b': 'a b', '\u00AA': 'a' };
    for (const [typed, stored] of Object.entries(forms))
      assert.equal((await exchange(typed, stored)).believed, true, JSON.stringify(typed));
  });

  const WRONG: Readonly<Record<string, (nonce: string) => string>> = {
    'another nonce': () => 'r=AAAAAAAAAAAAAAAAAAAAAAAAAAAA,s=c2FsdA==,i=4096',
    'no nonce of its own': (nonce) => `r=${nonce},s=c2FsdA==,i=4096`,
    'no salt': (nonce) => `r=${nonce}x,s=,i=4096`,
    'a salt that is no Base64': (nonce) => `r=${nonce}x,s=%%%,i=4096`,
    'no work': (nonce) => `r=${nonce}x,s=c2FsdA==,i=0`,
    'work without end': (nonce) => `r=${nonce}x,s=c2FsdA==,i=99999999`,
    'an extension': (nonce) => `m=x,r=${nonce}x,s=c2FsdA==,i=4096`,
    nothing: () => '',
  };
  for (const [what, serverFirst] of Object.entries(WRONG))
    test(`refuses ${what}`, async () => {
      const client = new ScramClient({ able: false });
      await assert.rejects(client.final('pencil', serverFirst(nonceOf(client))), /^Error: SCRAM: /);
    });
});
