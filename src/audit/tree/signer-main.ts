// The signer's own process, as the gateway starts it: key file, folder, origin.
import { openKeyFile } from './key-file.ts';
import { runSigner } from './signer.ts';

const [file = '', folder = '', origin = ''] = process.argv.slice(2);
// Whoever starts it ends it by closing its input: a Ctrl-C meant for the gateway would leave that without a signer.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
await runSigner({
  key: await openKeyFile(file),
  folder,
  origin,
  input: process.stdin,
  output: process.stdout,
});
