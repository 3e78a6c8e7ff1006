import type { Config, TargetConfig } from '#src/config/config.ts';
import type { Recordings } from '#src/recording/port.ts';
import type { Database } from '#src/store/database.ts';
import type { GateDeps, SessionFacts } from '../gate/asked.ts';
import type { Analyser } from './analyser.ts';
import type { Cancels } from './cancel.ts';
import type { Client } from './listener.ts';
import type { TargetConnection } from './target.ts';
import type { Transcript } from './transcript.ts';

/** What sessions ask of the rest of the gateway. */
export type SessionDeps = GateDeps & {
  /** As configured at this moment. */
  readonly targets: Config['targets'];
  /** Grows when rules, people or targets change: what was bound before is not executed any more. */
  readonly generation: () => number;
  /** The analyser of a target's database; shared by all its sessions. */
  readonly analyser: (target: TargetConfig, database: string) => Analyser;
  readonly db: Database;
  /** Keys of the people and machines of the configuration. */
  readonly configured: () => readonly string[];
  readonly log: { info(facts: object, message: string): void };
  readonly gateway: { readonly gateway: string; readonly epoch: number };
  readonly cancels: Cancels;
  readonly recordings: Pick<Recordings, 'open'>;
  /** Key of hash masks. */
  readonly maskKey: Buffer;
};

/** One client, one target, and what is fixed between them. */
export type ConversationParts = {
  readonly deps: SessionDeps;
  readonly config: TargetConfig;
  readonly facts: SessionFacts;
  readonly client: Client;
  readonly target: TargetConnection;
  /** What the client is told goes there as well. */
  readonly transcript: Transcript;
};
