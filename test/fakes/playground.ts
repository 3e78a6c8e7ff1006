import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TENANT } from './teams.ts';
import { TEAM } from './teams-kit.ts';

/** Microsoft's own stand-in for Teams; its licence is for trying things out, so it is no dependency. */
const PACKAGE = '@microsoft/m365agentsplayground@0.2.28';
export const GROUP = '19:approvers@thread.v2';
export const CHANNEL_P = '19:approvals@thread.tacv2';

/** For a test's `skip` option: it is started in CI, or when it is asked for. */
export function withoutPlayground(): string | false {
  // oxlint-disable-next-line node/no-process-env -- CI says so in no other way
  const { CI, COUNTERSIGN_PLAYGROUND } = process.env;
  if (CI !== undefined || COUNTERSIGN_PLAYGROUND !== undefined) return false;
  const why =
    'the Microsoft 365 Agents Playground listens on ALL interfaces of this machine: set COUNTERSIGN_PLAYGROUND=1 to start it all the same';
  console.error(`\n!!! Teams is not tried in the Playground: ${why}\n`);
  return why;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  await once(server, 'close');
  return bound !== null && typeof bound !== 'string' ? bound.port : 0;
}

const user = (name: keyof typeof TEAM) => ({
  id: TEAM[name].id,
  name,
  userPrincipleName: `${name}@example.com`,
  aadObjectId: TEAM[name].aadObjectId,
  givenName: name,
  surname: 'Person',
  email: `${name}@example.com`,
});

/** The Playground at that port, in front of a bot. It needs five people at least. `who` is at its screen. */
export async function startPlayground(
  port: number,
  bot: string,
  who: keyof typeof TEAM,
): Promise<{ readonly url: string; readonly said: () => string; close(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'countersign-playground-'));
  const flags = ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
  const npm = spawnSync('npm', [...flags, '--ignore-scripts', '--prefix', folder, PACKAGE], {
    encoding: 'utf8',
  });
  if (npm.status !== 0) throw new Error(`${PACKAGE} could not be installed: ${npm.stderr}`);
  const others = (['engineer', 'approver', 'approver2', 'stranger', 'impostor', 'guest'] as const)
    .filter((name) => name !== who)
    .map(user);
  const config = {
    version: '0.1.1',
    tenantId: TENANT,
    bot: { id: '28:countersign', name: 'Countersign' },
    currentUser: user(who),
    users: others,
    personalChat: { id: 'a:personal' },
    groupChat: { id: GROUP, name: 'Approvers' },
    team: {
      id: 'team',
      name: 'Platform',
      aadGroupId: '00000000-0000-0000-0000-000000000031',
      channels: [{ id: CHANNEL_P, name: 'approvals' }],
    },
  };
  const file = path.join(folder, 'playground.yml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config));
  const script = path.join(folder, 'node_modules/@microsoft/m365agentsplayground/cli.js');
  const child = spawn(
    process.execPath,
    [
      script,
      'start',
      '-e',
      bot,
      '-c',
      'msteams',
      '-p',
      String(port),
      '--su',
      `http://127.0.0.1:${port}/_connector`,
      '--disable-telemetry',
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: '/usr/bin:/bin',
        HOME: folder,
        TEAMSAPPTESTER_BROWSER: 'none',
        M365_AGENTS_PLAYGROUND_CONFIG_PATH: file,
      },
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  const url = `http://127.0.0.1:${port}`;
  await answering(url, child, () => said);
  return {
    url,
    said: () => said,
    async close() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function answering(url: string, child: ChildProcess, said: () => string): Promise<void> {
  for (const signal = AbortSignal.timeout(30_000); ; signal.throwIfAborted()) {
    if (child.exitCode !== null) throw new Error(`the Playground ended: ${said()}`);
    // oxlint-disable no-await-in-loop -- until it is there
    const there = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
    // oxlint-enable no-await-in-loop
  }
}
