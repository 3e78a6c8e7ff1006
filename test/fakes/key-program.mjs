// Stands in for a program that asks a KMS: arguments are its private keys (PEM files), the newest first. It says how to
// speak with such a program in as few lines as possible; docs/audit.md describes it.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const keys = new Map(
  process.argv.slice(2).map((file) => {
    const key = createPrivateKey(readFileSync(file));
    const raw = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
    return [raw.toString('base64'), key];
  }),
);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
say({ keys: [...keys.keys()] });
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const key = keys.get(asked.key);
  if (key)
    say({ signature: sign(undefined, Buffer.from(asked.sign, 'base64'), key).toString('base64') });
  else say({ refused: 'there is no such key' });
}
