// The signer as a gateway starts it (key, folder, origin), which leaves its process id in a folder so that it can be killed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

writeFileSync(join(process.argv[5] ?? '', String(process.pid)), '');
await import('../../src/audit/tree/signer-main.ts');
