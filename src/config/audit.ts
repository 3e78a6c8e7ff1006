import { join } from 'node:path';
import type { AnchorConfig, Config } from './config.ts';

/** What the log is called in its checkpoints, unless it has been signed under another name. */
export const originOf = ({ audit, publicUrl }: Pick<Config, 'audit' | 'publicUrl'>): string =>
  audit?.origin ?? `${publicUrl.replace(/^https?:\/\//, '')}/log`;

/** Where the key is that this installation's processes sign their own records with: a file, or a program and its arguments. */
export function writerKey({
  audit,
  dataDir,
}: Pick<Config, 'audit' | 'dataDir'>): string | readonly [string, ...string[]] {
  const [program, ...args] = audit?.writer ?? [];
  return program === undefined ? join(dataDir, 'log', 'writer.pem') : [program, ...args];
}

/** File of the signer's private key. */
export const signerKey = ({ audit, dataDir }: Pick<Config, 'audit' | 'dataDir'>): string =>
  audit?.key ?? join(dataDir, 'log', 'signer.pem');

/** A repository that checkpoints are laid down in, with the folder of its copy: whoever reads it back has another one. */
export const gitPlace = (
  { name, repository, branch }: AnchorConfig & { readonly type: 'git' },
  dataDir: string,
  use: 'lay' | 'read',
): { readonly repository: string; readonly branch: string; readonly folder: string } => ({
  repository,
  branch,
  folder: join(dataDir, 'anchors', `${name}.${use}.git`),
});
