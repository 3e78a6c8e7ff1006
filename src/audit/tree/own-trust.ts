import { openKeyFile, retiredVkeys } from './key-file.ts';
import { ED25519, formatVkey, noteKey } from './note.ts';
import { openSigner } from './signer.ts';

export type OwnTrust = {
  readonly origin: string;
  readonly url: string;
  /** File of the signer's key, unless `signer` is a program that says it. */
  readonly keyFile: string;
  readonly signer?: readonly string[] | undefined;
  readonly witnesses: readonly {
    readonly name: string;
    readonly key: string;
    readonly url: string;
  }[];
  readonly quorum: number;
};

/** The lines of an installation's own policy file (C2SP tlog-policy). `onText` hears what a signer of others says. */
export async function ownTrust(
  own: OwnTrust,
  onText: (text: string) => void,
): Promise<readonly string[]> {
  const { url, witnesses, quorum } = own;
  const names = witnesses.map(({ name }) => name);
  const none = names.length === 0 || quorum === 0;
  return [
    ...(await vkeysOf(own, onText)).map((vkey) => `log ${vkey} ${url}`),
    ...witnesses.map((one) => `witness ${one.name} ${one.key} ${one.url}`),
    ...(none ? [] : [`group enough ${quorum} ${names.join(' ')}`]),
    `quorum ${none ? 'none' : 'enough'}`,
  ];
}

/** Of the keys before, whose signatures stay good, and of the one in use. A signer of somebody else says them itself. */
async function vkeysOf(
  { signer, keyFile, origin }: OwnTrust,
  onText: (text: string) => void,
): Promise<readonly string[]> {
  const [program, ...args] = signer ?? [];
  if (program === undefined) {
    const vkey = formatVkey(noteKey(origin, ED25519, await openKeyFile(keyFile)));
    return [...new Set([...(await retiredVkeys(keyFile)), vkey])];
  }
  const running = await openSigner([program, ...args], onText);
  try {
    return [...new Set([...running.retired, running.key].map(formatVkey))];
  } finally {
    await running.close();
  }
}
