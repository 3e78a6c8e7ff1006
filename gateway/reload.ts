import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AuditLog, JsonObject } from '#src/audit/log.ts';
import { changesBetween, sameTarget } from '#src/config/changes.ts';
import type { Config } from '#src/config/config.ts';
import { readPolicyFiles } from '#src/config/policies.ts';
import { ConfigError, readConfig } from '#src/config/read.ts';
import { peopleOf, personKey } from '#src/identity/people.ts';
import type { Person } from '#src/identity/person.ts';
import {
  loadPolicy,
  rulesVersion,
  type Catalogued,
  type PolicyFile,
  type Problem,
} from '#src/policy/load.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import { namesOf, problemLines } from './parts.ts';

/** What asked for it. */
export type Cause = 'signal' | 'file';

/** The rules in force, and what is wrong with the ones on disk. */
export type RulesState = {
  /** Of the rules in force: SHA-256, hex. */
  readonly version: string;
  /** When they came into force, ISO 8601. */
  readonly loadedAt: string;
  /** `file:line: what is wrong (what to do)`; empty when what is on disk is in force. */
  readonly problems: readonly string[];
  /** `path: what is wrong` in the configuration on disk; empty when it could be read. */
  readonly configuration: readonly string[];
  /** Since when there are problems of the rules, ISO 8601. */
  readonly since?: string;
  /** How often rules or configuration did not load since the start. */
  readonly failures: number;
  /** Names in the rules in force that a target does not have any more. */
  readonly missing?: readonly string[];
};

export type ReloadParts = {
  readonly config: Config;
  readonly policy: CedarPolicy;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** What the targets that answer have; a target that does not is left out. */
  readonly catalogued: (config: Config) => Promise<Catalogued>;
  /** Fields of every record about rules. */
  readonly record: JsonObject;
  /** Called right after the swap. */
  readonly changed: () => void;
};

/** What was found by itself must still be the same after this. */
const SETTLED_MS = 150;

/** Files as they were read at one look. */
type Seen = {
  readonly text: string | undefined;
  /** Of the files that the configuration names. */
  readonly beside: readonly (string | undefined)[];
  readonly files: readonly PolicyFile[] | Problem;
};

/**
 * The rules and the configuration that are in force, and the only way to others: read whole, checked whole together,
 * recorded, and only then swapped. What does not load changes nothing, with one exception: a person or a target that was
 * taken out is out, even while somebody has broken the rules.
 */
export class Reload {
  readonly #parts: ReloadParts;
  #config: Config;
  #policy: CedarPolicy;
  #people: ReadonlyMap<string, Person>;
  #loadedAt = new Date().toISOString();
  #problems: readonly string[] = [];
  #configuration: readonly string[] = [];
  #since: string | undefined;
  #failures = 0;
  #generation = 0;
  /** What was looked at last, so that the same is not tried and complained of at every look. */
  #seen: string;
  #later = '';
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.#policy = parts.policy;
    this.#people = peopleOf(parts.config);
    this.#seen = JSON.stringify([
      parts.config.source?.text,
      (parts.config.source?.beside ?? []).map(({ text }) => text),
      parts.policy.version,
    ]);
  }

  get config(): Config {
    return this.#config;
  }
  get policy(): CedarPolicy {
    return this.#policy;
  }
  /** Grows with each swap: what was judged before may be judged otherwise now. */
  get generation(): number {
    return this.#generation;
  }
  /** People and machines as the configuration names them at this moment, by key. */
  get people(): ReadonlyMap<string, Person> {
    return this.#people;
  }

  state(): RulesState {
    return {
      version: this.#policy.version,
      loadedAt: this.#loadedAt,
      problems: this.#problems,
      configuration: this.#configuration,
      ...(this.#since !== undefined && { since: this.#since }),
      failures: this.#failures,
    };
  }

  /** Reads everything again. Resolves when that is done, whatever came of it; one after the other. */
  reload(cause: Cause): Promise<void> {
    this.#last = this.#last
      .then(() => (this.#closed ? undefined : this.#look(cause)))
      .catch((err: unknown) => {
        this.#seen = '';
        this.#failures += 1;
        this.#parts.log.error({ err }, 'reading the rules again failed; nothing has changed');
      });
    return this.#last;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  async #look(cause: Cause): Promise<void> {
    const seen = await this.#read();
    const { files } = seen;
    const key = keyOf(seen);
    if (cause === 'file' && (key === this.#seen || !(await this.#settled(key)))) return;
    this.#seen = key;
    const read = await this.#readConfig();
    const policy = await this.#check(files, read ?? this.#config);
    const next = policy ? (read ?? this.#config) : this.#removals(read);
    await this.#apply(cause, next, policy ?? this.#policy);
    if (policy) this.#healthy();
  }

  async #apply(cause: Cause, next: Config, policy: CedarPolicy): Promise<void> {
    const { live, later } = changesBetween(this.#config, next);
    const { version } = policy;
    const before = this.#policy.version;
    if (live.length > 0 || version !== before) {
      const told = { cause, version, before, changed: live };
      // Law 8: the record first. When it cannot be written nothing changes, and the next look tries again.
      await this.#parts.audit.append({ kind: 'policy', body: { ...this.#parts.record, ...told } });
      this.#swap(next, policy);
      this.#parts.log.info(told, 'rules or configuration have changed');
    }
    this.#sayLater(later);
  }

  /** A file that is being written may be empty for a moment; the next look finds what it becomes. */
  async #settled(key: string): Promise<boolean> {
    await setTimeout(SETTLED_MS);
    return !this.#closed && keyOf(await this.#read()) === key;
  }

  async #read(): Promise<Seen> {
    const { source, policies } = this.#config;
    const text = source && (await readFile(source.path, 'utf8').catch(() => undefined));
    const beside = await Promise.all(
      (source?.beside ?? []).map(({ path }) => readFile(path, 'utf8').catch(() => undefined)),
    );
    try {
      return { text, beside, files: await readPolicyFiles(policies) };
    } catch (error) {
      const message = error instanceof Error ? error.message : 'the folder cannot be read';
      return { text, beside, files: { file: policies, message, hint: 'put it back' } };
    }
  }

  /** Undefined when there is nothing to read, or it cannot be used. */
  async #readConfig(): Promise<Config | undefined> {
    const { source } = this.#config;
    if (!source) return undefined;
    try {
      const config = await readConfig(source.path);
      this.#configuration = [];
      return config;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#failures += 1;
      const problems = error.problems.map(({ path, message }) => `${path}: ${message}`);
      const meaning = `${source.path} cannot be used; the configuration from before applies`;
      this.#configuration = problems;
      this.#parts.log.error({ problems }, meaning);
      return undefined;
    }
  }

  async #check(files: Seen['files'], config: Config): Promise<CedarPolicy | undefined> {
    if ('hint' in files) return this.#complain([files]);
    const loaded = loadPolicy(files, {
      ...namesOf(config),
      ...(await this.#parts.catalogued(config)),
    });
    return loaded.ok ? loaded.policy : this.#complain(loaded.problems);
  }

  #complain(problems: readonly Problem[]): undefined {
    this.#failures += 1;
    this.#problems = problemLines(problems);
    this.#since ??= new Date().toISOString();
    this.#parts.log.error(
      { problems: this.#problems, version: this.#policy.version },
      'the rules on disk do not load; the ones from before apply',
    );
  }

  /**
   * What a new configuration takes away. The rest of it waits for rules that load with it: a group that is called
   * otherwise now would not be found by the old rules that forbid it something.
   */
  #removals(read: Config | undefined): Config {
    if (!read) return this.#config;
    const { people, targets } = this.#config;
    const waits = changesBetween(this.#config, read).live;
    if (waits.length > 0)
      this.#parts.log.error(
        { changed: waits },
        'only what the configuration takes out takes effect until the rules load',
      );
    return {
      ...this.#config,
      people: new Map([...people].filter(([email]) => hasKey(read.people, email))),
      targets: new Map([...targets].filter(([name]) => read.targets.has(name))),
    };
  }

  #swap(next: Config, policy: CedarPolicy): void {
    const { people, groups, targets, chat, owners, oncall, source } = next;
    const { owners: _, ...before } = this.#config;
    // All the rest stays as it was at the start.
    const { channels, digests } = chat;
    this.#config = {
      ...before,
      ...(owners && { owners }),
      ...(oncall && { oncall }),
      ...(source && { source }),
      people,
      groups,
      targets: kept(this.#config.targets, targets),
      chat: { ...this.#config.chat, channels, ...(digests && { digests }) },
    };
    this.#people = peopleOf(this.#config);
    if (policy.version !== this.#policy.version) this.#loadedAt = new Date().toISOString();
    this.#policy = policy;
    this.#generation += 1;
    this.#parts.changed();
  }

  #healthy(): void {
    this.#problems = [];
    this.#since = undefined;
  }

  #sayLater(paths: readonly string[]): void {
    const said = paths.join(', ');
    if (said !== this.#later && said !== '')
      this.#parts.log.warn({ changed: paths }, `takes effect at the next start: ${said}`);
    this.#later = said;
  }
}

function keyOf({ text, beside, files }: Seen): string {
  return JSON.stringify([text, beside, 'hint' in files ? files.message : rulesVersion(files)]);
}

function hasKey(people: Config['people'], email: string): boolean {
  return [...people.keys()].some((other) => personKey(other) === personKey(email));
}

/** A target that is as it was stays the same object: sessions and analysers of it are kept. */
function kept(before: Config['targets'], now: Config['targets']): Config['targets'] {
  return new Map(
    [...now].map(([name, target]) => {
      const old = before.get(name);
      return [name, old && sameTarget(old, target) ? old : target];
    }),
  );
}
