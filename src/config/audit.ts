import { join } from 'node:path';
import type { Config } from './config.ts';

/** What the log is called in its checkpoints, unless it has been signed under another name. */
export const originOf = ({ audit, publicUrl }: Pick<Config, 'audit' | 'publicUrl'>): string =>
  audit?.origin ?? `${publicUrl.replace(/^https?:\/\//, '')}/log`;

/** File of the private key that this installation's processes sign their own records with. */
export const writerKey = ({ dataDir }: Pick<Config, 'dataDir'>): string =>
  join(dataDir, 'log', 'writer.pem');

/** File of the signer's private key. */
export const signerKey = ({ audit, dataDir }: Pick<Config, 'audit' | 'dataDir'>): string =>
  audit?.key ?? join(dataDir, 'log', 'signer.pem');
