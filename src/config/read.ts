import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { readBeside } from './beside.ts';
import { buildAudit } from './read-audit.ts';
import { checkFile } from './checks.ts';
import type { ChatConfig, Config, Secret, SlackConfig, TargetConfig } from './config.ts';
import { explain } from './explain.ts';
import { buildIdentity } from './identity.ts';
import type { ConfigProblem } from './node.ts';
import { fill } from './person-login.ts';
import { personalTarget } from './personal.ts';
import { buildRedis } from './queue.ts';
import { fileSchema, type File } from './schema.ts';
import { resolveSecret, secretOf, type Surroundings } from './secrets.ts';
import { sure, toAddress, toMs } from './sure.ts';
import { buildTeams } from './teams.ts';
import { parseDays, parseSize } from './units.ts';
import { parseYaml } from './yaml.ts';

export type { ConfigProblem } from './node.ts';

const DAY_MS = 86_400_000;

/** Everything that is wrong with the configuration, so that one round of corrections is enough. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  constructor(file: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ path, message }) => `  ${path === '' ? '' : `${path}: `}${message}`,
    );
    super(`${file} cannot be used:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/**
 * Reads `countersign.yaml`; paths in it are taken from its own folder. Rejects with a ConfigError that names every
 * problem by its path. Secrets of targets are looked up at each use, the others now.
 */
export async function readConfig(
  path: string,
  env: Surroundings['env'] = process.env,
): Promise<Config> {
  const full = resolve(path);
  const around = { base: dirname(full), env };
  const text = await readText(full);
  const { raw, problems } = parseYaml(text);
  if (raw === undefined) throw new ConfigError(full, problems);
  const parsed = fileSchema.safeParse(raw);
  const wrong = parsed.success ? [] : parsed.error.issues.flatMap(explain);
  const { problems: besides, files, ...beside } = await readBeside(raw, around.base);
  wrong.push(...problems, ...besides, ...(await checkFile(raw, around)));
  if (!parsed.success || wrong.length > 0) throw new ConfigError(full, sorted(wrong));
  // A secret that could not be looked up although it was there a moment ago, or whose command fails.
  const unresolved: ConfigProblem[] = [];
  const config = await build(parsed.data, around, (problem) => unresolved.push(problem));
  if (unresolved.length > 0) throw new ConfigError(full, sorted(unresolved));
  return { ...config, ...beside, source: { path: full, text, beside: files } };
}

const sorted = (problems: readonly ConfigProblem[]): ConfigProblem[] =>
  problems.toSorted((a, b) => (a.path < b.path ? -1 : 1));

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const message =
      error.code === 'EISDIR'
        ? 'is a folder: name the file in it with --config'
        : 'there is no such readable file: name it with --config';
    throw new ConfigError(path, [{ path: '', message }]);
  });
}

async function build(
  file: File,
  around: Surroundings,
  complain: (problem: ConfigProblem) => void,
): Promise<Config> {
  const { base } = around;
  const secretAt = (path: string, text: string): Promise<string> =>
    resolveSecret(text, around).catch((cause: unknown) => {
      complain({
        path,
        message: cause instanceof Error ? cause.message : 'the secret cannot be read',
      });
      return '';
    });
  const { listen, store, queue, tls, people } = file;
  const targets = Object.entries(file.targets).map(([name, target]) =>
    buildTarget(name, target, around, file.recordings),
  );
  const groups = Object.values(people).flatMap((person) => person.groups);
  const scheme = tls?.console ? 'https' : 'http';
  const publicUrl = (file.publicUrl ?? `${scheme}://${listen.console}`).replace(/\/+$/, '');
  return {
    name: file.name,
    listen: { console: toAddress(listen.console), postgres: toAddress(listen.postgres) },
    publicUrl,
    store: {
      postgres:
        store.postgres === 'embedded'
          ? 'embedded'
          : {
              url: await secretAt('store.postgres', store.postgres),
              ...(store.owner !== undefined && {
                ownerUrl: await secretAt('store.owner', store.owner),
              }),
            },
    },
    queue:
      queue.backend === 'redis' ? await buildRedis(queue, base, secretAt) : { backend: 'postgres' },
    policies: resolve(base, file.policies),
    dataDir: resolve(base, file.dataDir),
    ...(tls && {
      tls: {
        key: resolve(base, tls.key),
        cert: resolve(base, tls.cert),
        required: tls.required,
        ...(tls.clientCa !== undefined && { clientCa: resolve(base, tls.clientCa) }),
        clientCert: tls.clientCert ?? (tls.clientCa === undefined ? 'none' : 'required'),
        certificateLogin: tls.certificateLogin,
        console: tls.console,
      },
    }),
    targets: new Map(targets.map((target) => [target.name, target])),
    people: new Map(Object.entries(people)),
    identity: buildIdentity(file, around),
    chat: await buildChat(file.chat, secretAt),
    audit: buildAudit(file, around),
    retention: file.retention.map(({ target, kind, keep }) => ({
      target,
      kind,
      keepMs: sure(parseDays(keep)) * DAY_MS,
    })),
    recordings: recordingsOf(file, base),
    log: file.log,
    ...telemetryOf(file, around.env),
    groups: [...new Set([...groups, ...file.groups, ...providedGroups(file)])].toSorted(),
    notices: noticesOf(file),
  };
}

function buildTarget(
  name: string,
  target: File['targets'][string],
  around: Surroundings,
  recordings: File['recordings'],
): TargetConfig {
  const url = new URL(target.url);
  const passwordCacheMs = toMs(target.passwordCache);
  const secret = (text: string): Secret => secretOf(text, around, passwordCacheMs);
  const { tls, hold, record, replication, analyser, channel } = target;
  const config: TargetConfig = {
    name,
    protocol: target.protocol,
    environment: target.environment,
    timeZone: target.timeZone,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 5432 : Number(url.port),
    user: target.user ?? decodeURIComponent(url.username),
    password: secret(target.password),
    passwordCacheMs,
    database: decodeURIComponent(url.pathname.slice(1)),
    analyser: { user: analyser.user, password: secret(analyser.password) },
    tls: {
      mode: tls.mode,
      ...(tls.ca !== undefined && { ca: resolve(around.base, tls.ca) }),
      ...(tls.cert !== undefined && { cert: resolve(around.base, tls.cert) }),
      ...(tls.key !== undefined && { key: resolve(around.base, tls.key) }),
      channelBinding: tls.channelBinding,
      clearPassword: tls.clearPassword,
    },
    hold: { inTransactionMs: toMs(hold.inTransaction), resendMs: toMs(hold.resend) },
    record: {
      rows: record.rows ?? recordings.rows,
      bytes: sure(parseSize(record.bytes ?? recordings.bytes)),
    },
    ...(replication && { replication }),
    ...(channel !== undefined && { channel }),
  };
  const { user } = target;
  if (user === undefined) return config;
  const secretFor = (login: string): Secret => secret(fill(target.password, login));
  return personalTarget(config, user, { written: target.password, secret: secretFor });
}

function recordingsOf(
  { recordings: { store, folder }, dataDir }: File,
  base: string,
): Config['recordings'] & object {
  if (store === 'postgres') return {};
  return { folder: resolve(base, folder ?? join(dataDir, 'recordings')) };
}

/** Groups that machines, agents and a provider's mapping name. */
function providedGroups({ identity: { providers, machines, agents } }: File): string[] {
  const mapped = Object.values(providers).flatMap((one) =>
    'groups' in one ? Object.values(one.groups ?? {}) : [],
  );
  const others = [...Object.values(machines), ...Object.values(agents)];
  return [...mapped, ...others.flatMap((one) => one.groups)];
}

/** The standard variable, so that a collector beside the gateway is found as by every other program. */
function telemetryOf(
  { telemetry: { otlp, sample } }: File,
  env: Surroundings['env'],
): Pick<Config, 'telemetry'> {
  const standard = env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '';
  const collector = otlp ?? (standard === '' ? undefined : standard);
  return collector === undefined ? {} : { telemetry: { otlp: collector, sample } };
}

async function buildChat(
  chat: File['chat'],
  secretAt: (path: string, text: string) => Promise<string>,
): Promise<ChatConfig> {
  const channels = new Map(
    Object.entries(chat.channels).map(([name, { slack, teams, private: isPrivate }]) => [
      name,
      {
        ...(slack !== undefined && { slack }),
        ...(teams !== undefined && { teams }),
        ...(isPrivate && { private: true as const }),
      },
    ]),
  );
  const digests = chat.digests.map(({ covers, ...digest }) => ({
    ...digest,
    ...(covers !== undefined && { coversMs: toMs(covers) }),
  }));
  const slack = chat.slack && (await buildSlack(chat.slack, secretAt));
  const teams = chat.teams && (await buildTeams(chat.teams, secretAt));
  const { reactions } = chat;
  return { channels, digests, reactions, ...(slack && { slack }), ...(teams && { teams }) };
}

async function buildSlack(
  slack: NonNullable<File['chat']['slack']>,
  secretAt: (path: string, text: string) => Promise<string>,
): Promise<SlackConfig> {
  const { appId, apiUrl, teams, matchEmail, usergroups } = slack;
  const botToken = await secretAt('chat.slack.botToken', slack.botToken);
  const app = {
    botToken,
    teams,
    matchEmail: matchEmail === false ? [] : matchEmail,
    ...(Object.keys(usergroups).length > 0 && { usergroups: new Map(Object.entries(usergroups)) }),
    ...(appId !== undefined && { appId }),
    ...(apiUrl !== undefined && { apiUrl }),
  };
  if (slack.mode === 'socket') {
    const appToken = await secretAt('chat.slack.appToken', slack.appToken);
    return { mode: 'socket', ...app, appToken };
  }
  const signingSecret = await secretAt('chat.slack.signingSecret', slack.signingSecret);
  const listen = toAddress(slack.listen);
  return { mode: 'http', ...app, signingSecret, listen };
}

function noticesOf({ listen }: File): string[] {
  const notices: string[] = [];
  if (listen.ssh !== undefined)
    notices.push(
      `listen.ssh: this version does not listen for SSH; nothing listens on ${listen.ssh}`,
    );
  return notices;
}
