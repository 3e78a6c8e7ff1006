import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { COSIGNATURE, ED25519, formatVkey, noteKey, type NoteKey } from '#src/audit/tree/note.ts';
import type { AuditConfig } from '#src/config/config.ts';
import { eventually } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { Supervised } from './supervised.ts';

const SIGNER = fileURLToPath(new URL('signer.ts', import.meta.url));
const WITNESS = new URL('witness.ts', import.meta.url);
export const ORIGIN = 'chaos.example.com/log';
const NAME = 'witness.example.com';

/** Who vouches for the log: a signer that the leading gateway starts, and a witness beside; both can be killed. */
export type Trail = {
  readonly audit: AuditConfig;
  readonly log: NoteKey;
  readonly witness: NoteKey;
  readonly watching: Supervised;
  /** Where the signer and the witness keep what they have seen last. */
  readonly signed: string;
  readonly watched: string;
  /** Kills every signer that runs. */
  killSigners(): Promise<void>;
};

export async function startTrail(dir: string, log: string): Promise<Trail> {
  const key = join(dir, 'signer.pem');
  const [pids, signed, watched] = ['pids', 'signed', 'watched'].map((name) => join(dir, name));
  if (!pids || !signed || !watched) throw new Error('no folders');
  await mkdir(pids);
  const own = noteKey(ORIGIN, ED25519, await openKeyFile(key));
  const witnessKey = join(dir, 'witness.pem');
  const witness = noteKey(NAME, COSIGNATURE, await openKeyFile(witnessKey));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const watching = new Supervised(
    WITNESS,
    [NAME, witnessKey, watched, formatVkey(own), String(port)],
    log,
  );
  await eventually(
    'the witness',
    () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    30,
  );
  return {
    log: own,
    witness,
    watching,
    signed,
    watched,
    audit: {
      origin: ORIGIN,
      key,
      signer: [process.execPath, SIGNER, key, signed, ORIGIN, pids],
      heartbeatMs: 2_000,
      witnesses: [{ name: NAME, url, key: formatVkey(witness) }],
      quorum: 1,
      anchors: [],
      export: [],
      serve: true,
    },
    async killSigners() {
      for (const pid of await readdir(pids)) {
        await rm(join(pids, pid));
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // It has ended already.
        }
      }
    },
  };
}
