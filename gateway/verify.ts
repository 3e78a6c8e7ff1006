import { compareHeads, storedLog } from '#src/audit/tree/anchor-check.ts';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { logState, type LogState } from '#src/audit/tree/log-state.ts';
import { Malformed, parseNote } from '#src/audit/tree/note.ts';
import { ownTrust } from '#src/audit/tree/own-trust.ts';
import { recordProof, verifyProof, type ProofReport } from '#src/audit/tree/record-proof.ts';
import { openSummaries, type Summaries } from '#src/audit/summary/summary.ts';
import { openTreeReader, type Tree } from '#src/audit/tree/reader.ts';
import { fixedOrigin, treeSize } from '#src/audit/tree/store.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { Verifications, type Run } from '#src/audit/verification.ts';
import { gitPlace, originOf, signerKey } from '#src/config/audit.ts';
import type { AuditConfig } from '#src/config/config.ts';
import type { Core } from './core.ts';

/** What a pasted text is, and what holds of it. */
export type Checked =
  | ({ readonly what: 'proof' } & ProofReport)
  | {
      readonly what: 'checkpoint';
      readonly origin: string;
      readonly size: number;
      readonly problems: readonly string[];
    }
  /** Neither a proof nor a checkpoint, and why. */
  | { readonly what: 'nothing'; readonly problems: readonly string[] };

/** Verifies the log for whoever looks at the console. */
export type Verifier = {
  state(): Promise<LogState>;
  /** The installation's own policy file. */
  trust(): Promise<string>;
  /** A proof file, or a checkpoint that was laid down somewhere. */
  check(text: string): Promise<Checked>;
  /** One record by its proof; undefined as long as no checkpoint holds it. */
  record(id: string): Promise<Checked | undefined>;
  run(): Run | undefined;
  /** False while one is under way. */
  start(by: string, ended: (run: Run) => void): Promise<boolean>;
  cancel(): Promise<void>;
};

type LogParts = {
  readonly tree?: Tree;
  readonly servesLog?: boolean;
  readonly verifier?: Verifier;
  readonly summaries?: Summaries;
};

/** What is shown of the log, and how it is verified; nothing where no tree is kept. */
export function openLog(
  core: Pick<Core, 'db' | 'config' | 'log' | 'onError'>,
  opened: AsyncDisposableStack,
): LogParts {
  const { audit } = core.config;
  if (!audit) return {};
  const verifier = opened.adopt(openVerifier(core, audit), (open) => open.close());
  const options = { url: core.db.url, hours: audit.workingHours, onError: core.onError };
  const summaries = opened.adopt(openSummaries(options), (open) => open.close());
  return { tree: openTreeReader(core.db), servesLog: audit.serve, verifier, summaries };
}

function openVerifier(
  { db, config: whole, log }: Pick<Core, 'db' | 'config' | 'log'>,
  config: AuditConfig,
): Verifier & { close(): Promise<void> } {
  const runs = new Verifications();
  const places = config.anchors.map(({ name }) => name);
  const anchors = config.anchors.flatMap((one) =>
    one.type === 'git' ? [{ name: one.name, place: gitPlace(one, whole.dataDir, 'read') }] : [],
  );
  const readTrust = async (): Promise<string> => {
    const own = {
      ...config,
      origin: await fixedOrigin(db, originOf(whole)),
      url: `${whole.publicUrl}/log`,
      keyFile: signerKey(whole),
    };
    const lines = await ownTrust(own, (text) => log.warn({ text }, 'the signer says'));
    return `${lines.join('\n')}\n`;
  };
  let known: Promise<string> | undefined;
  const trust = (): Promise<string> => {
    known ??= readTrust().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
  const check = async (text: string): Promise<Checked> => {
    const own = parseTrust(await trust());
    try {
      if (text.startsWith('c2sp.org/tlog-proof@'))
        return { what: 'proof', ...verifyProof(text, own) };
      const { origin, size } = parseCheckpoint(parseNote(text).text);
      const found = [{ where: 'the checkpoint', note: text }];
      const problems = await compareHeads(found, await storedLog(db), own);
      return { what: 'checkpoint', origin, size, problems };
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return { what: 'nothing', problems: [error.message] };
    }
  };
  return {
    state: () => logState(db, places),
    trust,
    check,
    async record(id) {
      const proof = await recordProof(db, id);
      return proof === undefined ? undefined : check(proof);
    },
    run: () => runs.now,
    async start(by, ended) {
      const { size: records } = await treeSize(db);
      return runs.start({ url: db.url, trust: await trust(), anchors, records }, by, ended);
    },
    cancel: () => runs.cancel(),
    close: () => runs.cancel(),
  };
}
