import type { Owners } from '../policy/owners.ts';
import type { Beside, RotaConfig } from './beside.ts';
import type { IdentityConfig } from './identity.ts';
import type { Secret } from './secrets.ts';
import type { Address } from './units.ts';

export type { Address, Secret };

/** The configuration after reading: defaults filled in, secrets resolved, durations in milliseconds, sizes in bytes. */
export type Config = {
  readonly name: string;
  readonly listen: { readonly console: Address; readonly postgres: Address };
  /** Without a trailing slash; every link in messages starts with it. */
  readonly publicUrl: string;
  readonly store: {
    /** `ownerUrl`: for migrations, where another role than the gateway's owns the tables. */
    readonly postgres: 'embedded' | { readonly url: string; readonly ownerUrl?: string };
  };
  readonly queue: { readonly backend: 'postgres' } | RedisConfig;
  /** Folder with `*.cedar`, absolute. */
  readonly policies: string;
  /** Where the installation keeps its own files, absolute; default `.countersign` beside the configuration. */
  readonly dataDir: string;
  readonly tls?: ServerTlsConfig;
  readonly targets: ReadonlyMap<string, TargetConfig>;
  readonly people: ReadonlyMap<string, PersonConfig>;
  readonly identity: IdentityConfig;
  readonly chat: ChatConfig;
  /** Who owns what, for `@hold("owner")`. */
  readonly owners?: Owners;
  /** Who is on call, by the names that rules use. */
  readonly oncall?: ReadonlyMap<string, RotaConfig>;
  /** Absent only where there is no file: records are chained then, and no tree is kept. */
  readonly audit?: AuditConfig;
  /** Default: everything is kept. */
  readonly retention?: readonly RetentionRule[];
  /** Where recordings are kept: `folder` (absolute), or the store. Default: the store. */
  readonly recordings?: { readonly folder?: string };
  readonly log: { readonly level: string };
  /** Where traces go (OTLP over HTTP), and which share of the statements is traced. */
  readonly telemetry?: { readonly otlp: string; readonly sample: number };
  /** Every group that rules may name: those of the people, and those listed under `groups`. */
  readonly groups: readonly string[];
  /** What the file asks for and this version does not have, one sentence each; printed at the start. */
  readonly notices: readonly string[];
  /** Where it was read from, absolute, and what stood there: it is read again when that changes. */
  readonly source?: {
    readonly path: string;
    readonly text: string;
    /** Further files that it names and that are read with it. */
    readonly beside?: Beside['files'];
  };
};

/** The tree over all records. */
export type AuditConfig = {
  /** Default: see `originOf`. */
  readonly origin?: string;
  /** Absolute. Default: see `signerKey`. */
  readonly key?: string;
  /** Program and arguments; undefined for the gateway's own child. */
  readonly signer?: readonly string[];
  /** The same for the key that the gateway signs its own records with; undefined for `writerKey`. */
  readonly writer?: readonly string[];
  readonly heartbeatMs: number;
  readonly witnesses: readonly {
    readonly name: string;
    readonly url: string;
    readonly key: string;
  }[];
  readonly quorum: number;
  readonly anchors: readonly AnchorConfig[];
  /** `days` are 1 (Monday) to 7, times as `07:00`. */
  readonly workingHours?: {
    readonly from: string;
    readonly to: string;
    readonly days: readonly number[];
    readonly timeZone: string;
  };
  readonly export: readonly ExportConfig[];
  /** An erasure that one person asks for is confirmed by another. */
  readonly confirmErasure?: boolean;
  readonly serve: boolean;
};

/** How long something is kept. Of several rules that fit, the first counts. */
export type RetentionRule = {
  /** A target, or with `*` for any part of its name; `*` also fits what belongs to no target. */
  readonly target: string;
  readonly kind: 'records' | 'recordings';
  readonly keepMs: number;
};

/** A place where checkpoints are laid down. `chat` is the name of a channel; a path of `git` is absolute. */
export type AnchorConfig = { readonly name: string; readonly everyMs: number } & (
  | { readonly type: 'git'; readonly repository: string; readonly branch: string }
  | { readonly type: 'chat'; readonly channel: string }
  | { readonly type: 'command'; readonly command: string }
);

/** Somewhere that every record is sent to. */
export type ExportConfig = { readonly name: string; readonly since: 'start' | 'now' } & (
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'splunk'; readonly url: string; readonly token: Secret }
  | {
      readonly type: 'otlp';
      readonly url: string;
      readonly headers: Readonly<Record<string, Secret>>;
    }
  | { readonly type: 'syslog'; readonly server: Address; readonly ca?: string }
);

export type RedisConfig = {
  readonly backend: 'redis';
  readonly username?: string;
  readonly password?: string;
  /** `ca` is an absolute path. With sentinels, its presence asks for TLS. */
  readonly tls?: { readonly ca?: string };
} & (
  | { readonly url: string }
  | {
      readonly sentinels: readonly Address[];
      readonly name: string;
      readonly db?: number;
      readonly sentinelPassword?: string;
    }
);

/** A target as the person of this name logs in to it. */
export type Personal = ((login: string) => TargetConfig) & {
  /** Their role, whether it is there or not; undefined for a name that can be none. */
  readonly roleOf: (login: string) => string | undefined;
  /** What was written, so that two readings of a file can be compared. */
  readonly reference: string;
};

export type TargetConfig = {
  readonly name: string;
  readonly protocol: 'postgres';
  readonly environment: string;
  readonly timeZone: string;
  readonly host: string;
  readonly port: number;
  /** The gateway's role; with `personal` what stands for those of people. */
  readonly user: string;
  readonly password: Secret;
  /** Each person logs in as a role of their own, and with a credential of their own. */
  readonly personal?: Personal;
  /** Of a target as one person logs in to it: the one that all share. */
  readonly shared?: TargetConfig;
  /** How long what the commands of its passwords printed is kept; the secrets know it. */
  readonly passwordCacheMs?: number;
  /** The target's default database. A client may name another: `dbname=<target>/<database>`. */
  readonly database: string;
  readonly analyser: { readonly user: string; readonly password: Secret };
  readonly tls: TargetTlsConfig;
  readonly hold: { readonly inTransactionMs: number; readonly resendMs: number };
  readonly record: { readonly rows: number; readonly bytes: number };
  /** People whom no rule limits may open replication connections. */
  readonly replication?: boolean;
  /** Channel for holds whose rules name none. */
  readonly channel?: string;
};

/** Towards clients. Files are absolute paths of PEM files; they are read again when they change. */
export type ServerTlsConfig = {
  readonly key: string;
  readonly cert: string;
  /** Clear text is refused even on loopback. */
  readonly required?: boolean;
  readonly clientCa?: string;
  /** Default `none`. */
  readonly clientCert?: ClientCert;
  /** Certificates that the gateway has issued stand for a password. */
  readonly certificateLogin?: boolean;
  /** Console and API speak HTTPS themselves. */
  readonly console?: boolean;
};

/** Whether a client shows a certificate in the person's name. One that it shows must be good, even when optional. */
export type ClientCert = 'none' | 'optional' | 'required';

/** Towards a target. Files are absolute paths of PEM files; they are read at each connection. */
export type TargetTlsConfig = {
  readonly mode: 'disable' | 'require' | 'verify-full';
  /** Default: the system's authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Default `prefer`. */
  readonly channelBinding?: 'prefer' | 'require';
  /** The target may ask for the password itself; only with `verify-full`. */
  readonly clearPassword?: boolean;
};

export type PersonConfig = { readonly name: string; readonly groups: readonly string[] };

/** A channel by its ids. `private`: its Slack channel must be. */
export type ChannelConfig = {
  readonly slack?: string;
  readonly teams?: string;
  readonly private?: true;
};

export type ChatConfig = {
  readonly channels: ReadonlyMap<string, ChannelConfig>;
  readonly slack?: SlackConfig;
  readonly teams?: TeamsConfig;
  readonly digests?: readonly DigestConfig[];
  /** Names of reactions, without colons and skin tone; default: ✅ and ❌. */
  readonly reactions?: { readonly approve: readonly string[]; readonly deny: readonly string[] };
};

type TeamsBot = {
  /** Entra's tenants, in lower case. */
  readonly tenants: readonly string[];
  /** Where Teams reaches us. */
  readonly listen: Address;
  /** Addresses below which something may be sent. */
  readonly serviceUrls: readonly string[];
};

/** With `localTest` whoever calls is believed. */
export type TeamsConfig =
  | (TeamsBot & {
      readonly appId: string;
      readonly appPassword: string;
      readonly appType: 'SingleTenant' | 'MultiTenant';
    })
  | (TeamsBot & { readonly localTest: true });

/** A summary that a channel gets by the clock. */
export type DigestConfig = {
  /** Name of a channel. */
  readonly channel: string;
  /** As `parseSchedule` reads it. */
  readonly at: string;
  readonly timeZone: string;
  /** A target, or with `*` for any part of its name. */
  readonly target: string;
  /** Default: since the digest before. */
  readonly coversMs?: number;
};

type SlackApp = {
  readonly botToken: string;
  readonly appId?: string;
  /** Workspaces whose members may decide. */
  readonly teams: readonly string[];
  /** Only for tests: another Web API address. */
  readonly apiUrl?: string;
  /** Workspaces in which an account is the person with the same, confirmed e-mail address; elsewhere people link theirs. */
  readonly matchEmail: readonly string[];
  /** Ids of Slack's user groups that are notified, by the directory's group; default: none. */
  readonly usergroups?: ReadonlyMap<string, string>;
};

/** Slack calls us, on an address of ours. */
export type SlackHttpConfig = SlackApp & {
  readonly mode: 'http';
  readonly signingSecret: string;
  /** Where Slack reaches us; the receiver listens here. */
  readonly listen: Address;
};

/** We call Slack, and its calls come back on that connection. */
export type SlackSocketConfig = SlackApp & { readonly mode: 'socket'; readonly appToken: string };

export type SlackConfig = SlackHttpConfig | SlackSocketConfig;
