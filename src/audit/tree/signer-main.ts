// The signer's own process, as the gateway starts it: key file, folder, origin.
import { openKeyFile, readKeyFile, retiredVkeys } from './key-file.ts';
import { runSigner } from './signer.ts';
import { signingKey } from './signing-key.ts';

const [file = '', folder = '', origin = ''] = process.argv.slice(2);
// Whoever starts it ends it by closing its input: a Ctrl-C meant for the gateway would leave that without a signer.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
await openKeyFile(file);
await runSigner({
  key: async () => signingKey(await readKeyFile(file)),
  retired: await retiredVkeys(file),
  folder,
  origin,
  input: process.stdin,
  output: process.stdout,
});
