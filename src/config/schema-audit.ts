import { z } from 'zod';
import { parseVkey } from '../audit/tree/note.ts';
import { duration, file, key, name, urlOf } from './keys.ts';

const VKEY = 'witness.example.com/w1+4bdc7eaa+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY';
const COMMAND = 'cd /srv/anchors && cat > checkpoint && git commit -qam checkpoint && git push -q';

const word = z.string().regex(/^[^\s+]+$/u, 'no spaces and no plus');

const vkey = z.string().superRefine((text, context) => {
  try {
    if (parseVkey(text).type !== 4) context.addIssue('this is the key of a log, not of a witness');
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : 'not a key');
  }
});

const witness = z.strictObject({
  url: key(
    urlOf(['http', 'https']),
    'Where it listens: what stands before `/add-checkpoint`.',
    'https://witness.example.com',
  ),
  key: key(vkey, 'Its verifier key, as `countersign audit witness` prints it.', VKEY),
});

const anchor = z.strictObject({
  command: key(
    z.string().min(1),
    'A shell command that lays the checkpoint down; it reads it from its input, and fails when it cannot.',
    COMMAND,
  ),
  every: key(duration.default('1h'), 'How often.', '10m'),
});

/** The tree over all records: who signs it, who watches that, and where its heads are laid down. */
export const audit = z
  .strictObject({
    origin: key(
      word.optional(),
      'What the log is called in its checkpoints; fixed once it has signed one. Default: the public URL without its scheme, and `/log`.',
      'countersign.example.com/log',
    ),
    key: key(
      file.optional(),
      'Private key of the signer, which is made when it is missing; default: `log/signer.pem` in `dataDir`.',
      './keys/signer.pem',
    ),
    signer: key(
      z.array(z.string().min(1)).min(1).optional(),
      'The program that signs and its arguments, instead of the gateway’s own child: `countersign audit signer` under another user or on another machine.',
      [
        'sudo',
        '-u',
        'signer',
        'countersign',
        'audit',
        'signer',
        '--key',
        '/var/lib/signer/key.pem',
      ],
    ),
    witnesses: key(
      z
        .record(
          name,
          key(witness, 'One witness.', { url: 'https://witness.example.com', key: VKEY }),
        )
        .default({}),
      'Who cosigns each checkpoint.',
      { security: { url: 'https://witness.example.com', key: VKEY } },
    ),
    quorum: key(
      z.int().min(0).optional(),
      'How many witnesses make a checkpoint witnessed; default: all of them.',
      1,
    ),
    anchors: key(
      z.record(name, key(anchor, 'One place.', { command: COMMAND })).default({}),
      'Where checkpoints are laid down, outside the store.',
      { git: { command: COMMAND } },
    ),
    serve: key(
      z.boolean().default(true),
      'The log is served to everybody who reaches the console, below `/log/`: it holds commitments, never what happened.',
      false,
    ),
  })
  .prefault({});
