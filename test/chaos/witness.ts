// A witness in a process of its own: its name, key file, folder, the key of the log that it watches, and a port.
import { listenWitness } from '#gateway/witness/listener.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { parseVkey } from '#src/audit/tree/note.ts';
import { Witness } from '#src/audit/tree/witness.ts';

const [name = '', key = '', folder = '', log = '', port = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
const witness = new Witness({
  name,
  key: await openKeyFile(key),
  folder,
  logs: [parseVkey(log)],
});
await listenWitness(witness, { host: '127.0.0.1', port: Number(port) }, (error) =>
  console.error(error),
);
