// A signer that is killed when it has made what it would say after its state is durable, and before it says it: the nth
// time. Arguments: key file, folder, origin, n.
import { Writable } from 'node:stream';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { runSigner } from '#src/audit/tree/signer.ts';

const [file = '', folder = '', origin = '', nth = '1'] = process.argv.slice(2);
let left = Number(nth);
const output = new Writable({
  write(chunk: Buffer, _, done) {
    if (chunk.includes('"note"') && --left === 0) process.kill(process.pid, 'SIGKILL');
    else process.stdout.write(chunk, () => done());
  },
});
await runSigner({ key: await openKeyFile(file), folder, origin, input: process.stdin, output });
