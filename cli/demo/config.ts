import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { RUNNER } from '#src/store/embedded-store.ts';
import { writePrivate } from './files.ts';
import { emailOf, PEOPLE, type Places, type Ports } from './plan.ts';

/** Writes the configuration and the rules that a reader can copy for a first installation. Throws `StartError`. */
export async function writeConfig(places: Places, ports: Ports): Promise<void> {
  await writePrivate(places.config, `${HEAD}${stringify(contents(ports), { lineWidth: 0 })}`);
  await writeRules(places);
}

/** Rules that were changed here stay; those that were not follow the demo's own when it is updated. */
async function writeRules({ originalRules, policies }: Places): Promise<void> {
  const shipped = await readFile(new URL('shop.cedar', import.meta.url), 'utf8');
  const copy = join(policies, 'shop.cedar');
  const [here, before] = await Promise.all([textOf(copy), textOf(originalRules)]);
  if (here !== undefined && here !== before) return;
  await writePrivate(copy, shipped);
  await writePrivate(originalRules, shipped);
}

const textOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch(() => undefined);

const HEAD = '# The configuration of the demo, written anew at each start.\n';

function contents(ports: Ports) {
  const people = Object.entries<{ name: string; groups: readonly string[] }>(PEOPLE).map(
    ([key, { name, groups }]) => [emailOf(key), { name, groups: [...groups] }] as const,
  );
  return {
    name: 'demo',
    listen: { console: `127.0.0.1:${ports.console}`, postgres: `127.0.0.1:${ports.postgres}` },
    publicUrl: `http://127.0.0.1:${ports.console}`,
    store: {
      postgres: `postgres://${RUNNER}:\${file:./secrets/store}@127.0.0.1:${ports.store}/countersign`,
      owner: `postgres://countersign:\${file:./secrets/store}@127.0.0.1:${ports.store}/countersign`,
    },
    queue: { backend: 'postgres' },
    policies: './policies',
    targets: {
      shop: {
        protocol: 'postgres',
        environment: 'production',
        timeZone: 'UTC',
        url: `postgres://gateway@127.0.0.1:${ports.shop}/shop`,
        password: '${file:./secrets/gateway}',
        analyser: { user: 'analyser', password: '${file:./secrets/analyser}' },
        // Both ends are on this machine's loopback.
        tls: { mode: 'disable' },
        hold: { inTransaction: '5m', resend: '15m' },
        record: { rows: 1000, bytes: '1MiB' },
      },
    },
    people: Object.fromEntries(people),
    // The people above sign in to the console by a click. Never for production: see docs/identity.md.
    identity: { providers: { demo: { protocol: 'embedded', label: 'the demo' } } },
    // The rules name this channel; without Slack the console is where requests are decided.
    chat: { channels: { 'db-approvals': { slack: 'C0000000000' } } },
  };
}
