import { access, constants, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  anybodys,
  isPersonal,
  personalFileProblems,
  personalSecretProblem,
} from './check-personal.ts';
import { LOGIN } from './person-login.ts';
import { readSecretFile, type Surroundings } from './secrets.ts';
import { checkIdentity } from './check-identity.ts';
import { at, keysOf, pathText, type ConfigProblem, type Path } from './node.ts';
import { checkTeams } from './teams.ts';
import { parseAddress } from './units.ts';

/**
 * What a schema cannot see: names that must exist elsewhere in the file, listeners in each other's way, files and
 * secrets that are not there. Looks at the text as it was written, so that it can speak beside the schema's problems.
 */
export async function checkFile(raw: unknown, around: Surroundings): Promise<ConfigProblem[]> {
  const found = [
    ...checkListeners(raw),
    ...checkConsole(raw),
    ...checkChannels(raw),
    ...checkMatching(raw),
    ...checkTeams(raw),
    ...checkTargets(raw),
    ...checkCredentials(raw),
    ...checkPeople(raw),
    ...checkIdentity(raw),
    ...checkWitnesses(raw),
  ];
  found.push(...(await checkSecrets(raw, around)), ...(await checkPaths(raw, around.base)));
  return found;
}

function checkListeners(raw: unknown): ConfigProblem[] {
  const slack = at(raw, 'chat', 'slack');
  const listeners: [string, unknown][] = [
    ['listen.console', at(raw, 'listen', 'console') ?? '127.0.0.1:8080'],
    ['listen.postgres', at(raw, 'listen', 'postgres') ?? '127.0.0.1:6432'],
    ['listen.ssh', at(raw, 'listen', 'ssh')],
    ['chat.slack.listen', at(slack, 'listen')],
    ['chat.teams.listen', at(raw, 'chat', 'teams', 'listen')],
  ];
  const open = listeners.flatMap(([path, value]) => {
    const address = typeof value === 'string' ? parseAddress(value) : undefined;
    return address && address.port !== 0 ? [{ path, ...address }] : [];
  });
  return open.flatMap((one, index) => {
    const other = open.slice(0, index).find((before) => clash(before, one));
    if (!other) return [];
    return [
      { path: one.path, message: `port ${one.port} is taken by ${other.path}: give it another` },
    ];
  });
}

/** Its cookie is only kept from clear text, and its links only work, when the address says what it speaks. */
function checkConsole(raw: unknown): ConfigProblem[] {
  const url = at(raw, 'publicUrl');
  if (at(raw, 'tls', 'console') !== true || typeof url !== 'string') return [];
  if (!url.startsWith('http://')) return [];
  const message = 'the console speaks HTTPS (tls.console): start the address with https://';
  return [{ path: 'publicUrl', message }];
}

function checkWitnesses(raw: unknown): ConfigProblem[] {
  const quorum = at(raw, 'audit', 'quorum');
  const count = keysOf(at(raw, 'audit', 'witnesses')).length;
  if (typeof quorum !== 'number' || quorum <= count) return [];
  const message = `${quorum} witnesses are demanded, and ${count} are named under audit.witnesses`;
  return [{ path: 'audit.quorum', message }];
}

type Listener = { readonly host: string; readonly port: number };
function clash(a: Listener, b: Listener): boolean {
  const hosts = [a, b].map(({ host }) => (host === 'localhost' ? '127.0.0.1' : host));
  const anyHost = hosts.some((host) => host === '0.0.0.0' || host === '::');
  return a.port === b.port && (anyHost || hosts[0] === hosts[1]);
}

/** A slip of the pen would else leave a workspace whose people wonder. */
function checkMatching(raw: unknown): ConfigProblem[] {
  const slack = at(raw, 'chat', 'slack');
  const [teams, matching] = [at(slack, 'teams'), at(slack, 'matchEmail')];
  if (!Array.isArray(teams) || !Array.isArray(matching)) return [];
  return matching.flatMap((team: unknown, index) =>
    teams.includes(team)
      ? []
      : [
          {
            path: `chat.slack.matchEmail.${index}`,
            message: `${String(team)} is not one of chat.slack.teams`,
          },
        ],
  );
}

function checkChannels(raw: unknown): ConfigProblem[] {
  const channels = keysOf(at(raw, 'chat', 'channels'));
  const named = [
    ...keysOf(at(raw, 'targets')).map((name) => ['targets', name, 'channel']),
    ...keysOf(at(raw, 'audit', 'anchors')).map((name) => ['audit', 'anchors', name, 'chat']),
    ...keysOf(at(raw, 'chat', 'digests')).map((index) => ['chat', 'digests', index, 'channel']),
  ];
  return named.flatMap((path) => {
    const channel = at(raw, ...path);
    if (typeof channel !== 'string' || channels.includes(channel)) return [];
    const known = channels.length > 0 ? `there is: ${channels.join(', ')}` : 'there is none';
    const message = `there is no channel ${JSON.stringify(channel)} under chat.channels; ${known}`;
    return [{ path: pathText(path), message }];
  });
}

function checkTargets(raw: unknown): ConfigProblem[] {
  return keysOf(at(raw, 'targets')).flatMap((name) => {
    const value = at(raw, 'targets', name, 'url');
    const url = typeof value === 'string' ? URL.parse(value) : null;
    const path = pathText(['targets', name, 'url']);
    if (!url) return [];
    const found: ConfigProblem[] = [];
    if (url.password !== '')
      found.push({ path, message: 'holds a password: put it under password:' });
    const personal = isPersonal(raw, name);
    if (url.username === '' && !personal)
      found.push({ path, message: 'names no user: write postgres://user@host…' });
    if (url.username !== '' && personal)
      found.push({ path, message: 'names a user, and so does user: keep one' });
    if (url.hostname === '')
      found.push({ path, message: 'names no host: write postgres://user@host…' });
    if (url.pathname.length < 2)
      found.push({ path, message: 'names no database: end it with /database' });
    if (url.search !== '')
      found.push({ path, message: 'has parameters: use tls: and the other keys' });
    return found;
  });
}

/** A target's password is nowhere in the file, whole or in part: it would be in every copy of it. */
function checkCredentials(raw: unknown): ConfigProblem[] {
  return keysOf(at(raw, 'targets')).flatMap((name) =>
    [['password'], ['analyser', 'password']].flatMap((keys) => {
      const path = ['targets', name, ...keys];
      const value = at(raw, ...path);
      if (typeof value !== 'string' || /^\$\{[^}]+\}$/.test(anybodys(value))) return [];
      const message =
        'stands here in clear: put it into a file with mode 0600 and write ${file:path}, or use ${env:NAME} or ${command:…}';
      return [{ path: pathText(path), message }];
    }),
  );
}

/** E-mail addresses are compared without regard to case. */
function checkPeople(raw: unknown): ConfigProblem[] {
  const emails = keysOf(at(raw, 'people'));
  return emails.flatMap((email, index) => {
    const same = (other: string): boolean => other.toLowerCase() === email.toLowerCase();
    const first = emails.findIndex(same);
    if (first === index) return [];
    const message = `is the same person as ${emails[first]}: keep one`;
    return [{ path: pathText(['people', email]), message }];
  });
}

const secretPaths = [
  /^targets(\.[\w-]+|\["[^"]+"\])\.(analyser\.)?password$/,
  /^store\.(postgres|owner)$/,
  /^audit\.export(\.[\w-]+|\["[^"]+"\])\.(token|headers(\.[\w-]+|\["[^"]+"\]))$/,
  /^queue\.(url|password|sentinelPassword)$/,
  /^chat\.slack\.(botToken|signingSecret|appToken)$/,
  /^chat\.teams\.appPassword$/,
  /^identity\.providers(\.[\w-]+|\["[^"]+"\])\.(clientSecret|scim\.token)$/,
];

async function checkSecrets(raw: unknown, around: Surroundings): Promise<ConfigProblem[]> {
  const found: ConfigProblem[] = [];
  for (const { path, value } of strings(raw, [])) {
    if (!value.includes('${')) continue;
    const place = pathText(path);
    const message = secretPaths.some((pattern) => pattern.test(place))
      ? await personalSecretProblem(raw, path, value, around)
      : 'only a secret may be a reference ${…}: write the value itself';
    if (message !== undefined) found.push({ path: place, message });
  }
  return found;
}

function* strings(node: unknown, path: Path): Generator<{ path: Path; value: string }> {
  if (typeof node === 'string') yield { path, value: node };
  else if (Array.isArray(node))
    for (const [index, child] of node.entries()) yield* strings(child, [...path, index]);
  else for (const key of keysOf(node)) yield* strings(at(node, key), [...path, key]);
}

async function checkPaths(raw: unknown, base: string): Promise<ConfigProblem[]> {
  const found: ConfigProblem[] = [];
  const check = async (
    path: Path,
    value: unknown,
    test: (full: string) => Promise<string | undefined>,
  ) => {
    const message = typeof value === 'string' ? await test(resolve(base, value)) : undefined;
    if (message !== undefined) found.push({ path: pathText(path), message });
  };
  await check(['policies'], at(raw, 'policies') ?? './policies', folderProblem);
  await check(['tls', 'cert'], at(raw, 'tls', 'cert'), fileProblem);
  await check(['tls', 'key'], at(raw, 'tls', 'key'), keyProblem);
  await check(['tls', 'clientCa'], at(raw, 'tls', 'clientCa'), fileProblem);
  await check(['queue', 'tls', 'ca'], at(raw, 'queue', 'tls', 'ca'), fileProblem);
  for (const name of keysOf(at(raw, 'identity', 'providers')))
    for (const [part, test] of [
      ['ca', fileProblem],
      ['cert', fileProblem],
      ['certificate', fileProblem],
      ['key', keyProblem],
    ] as const) {
      const path = ['identity', 'providers', name, part];
      await check(path, at(raw, ...path), test);
    }
  for (const name of keysOf(at(raw, 'targets')))
    for (const [part, test] of [
      ['ca', fileProblem],
      ['cert', fileProblem],
      ['key', keyProblem],
    ] as const) {
      const path = ['targets', name, 'tls', part];
      const value = at(raw, ...path);
      if (typeof value === 'string' && value.includes(LOGIN))
        found.push(...personalFileProblems(raw, path));
      else await check(path, value, test);
    }
  return found;
}

async function folderProblem(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isDirectory())
    return `${path} is no folder: name the one with the *.cedar files`;
  return found ? undefined : `there is no folder ${path}: create it, with *.cedar files`;
}

async function fileProblem(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return `${path} is a folder: name the file in it`;
  const readable = await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
  return readable ? undefined : `there is no readable file ${path}`;
}

async function keyProblem(path: string): Promise<string | undefined> {
  return readSecretFile(path).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : `${path} cannot be read`),
  );
}
