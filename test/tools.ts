import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { need, TOOLS, type Tool } from './fakes/need.ts';

const WANTED: readonly { readonly tools: readonly Tool[]; readonly by: RegExp }[] = [
  { tools: ['chromium'], by: /^test\/e2e\// },
  { tools: ['psql'], by: /^test\/e2e\/|psql/ },
  { tools: ['postgres-15'], by: /classes-versions/ },
  { tools: ['redis-server'], by: /\bredis|secrets-canary/ },
  { tools: ['python3'], by: /\blibpq/ },
  { tools: ['javac', 'jdbc'], by: /\bjdbc/ },
  { tools: ['bash', 'zsh', 'fish'], by: /\bcompletions/ },
];

/** Installs what these test files drive, where that is ours to do (root on a Debian); else says what will be skipped. */
export function installTools(files: readonly string[]): void {
  const wanted = WANTED.filter(({ by }) => files.some((file) => by.test(file)));
  const missing = wanted.flatMap(({ tools }) => tools).filter((tool) => need(tool) === undefined);
  if (missing.length === 0) return;
  const packages = missing.map((tool) => TOOLS[tool].debian);
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log(`installing ${packages.join(', ')} for the tests`);
    apt('update');
    apt('install', '--yes', '--no-install-recommends', ...packages);
  }
  for (const tool of missing.filter((one) => need(one) === undefined))
    console.log(
      `${tool} is not installed: tests that need it are skipped (apt-get install ${TOOLS[tool].debian})`,
    );
}

function apt(...flags: readonly string[]): void {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('/usr/bin/apt-get', ['--quiet=2', ...flags], { env, stdio: ['ignore', 2, 2] });
}
