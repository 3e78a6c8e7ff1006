// The boundaries of the design. A linter that saw nothing is a failure: it once cruised no module and was content.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const LEAST = 40;
const folders = ['src', 'gateway', 'bot', 'cli'].filter((folder) => existsSync(folder));
const run = spawnSync(
  process.execPath,
  [
    'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
    ...folders,
  ],
  { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit'] },
);
if (run.error) throw run.error;
if (run.stdout === '') throw new Error('dependency-cruiser stopped before it looked');
const { modules, summary } = JSON.parse(run.stdout);
const ours = modules.filter((module) => folders.includes(module.source.split('/')[0]));

for (const { rule, from, to, cycle } of summary.violations)
  console.error(
    `${rule.name}: ${from} → ${cycle ? cycle.map((step) => step.name).join(' → ') : to}`,
  );
if (ours.length < LEAST)
  console.error(`only ${ours.length} modules were looked at, at least ${LEAST} were expected`);
console.log(
  `boundaries: ${ours.length} modules, ${summary.totalDependenciesCruised} imports, ${summary.violations.length} violations`,
);
if (summary.violations.length > 0 || ours.length < LEAST) process.exitCode = 1;
