import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Config } from '#src/config/config.ts';
import { ConfigError, readConfig } from '#src/config/read.ts';

export const example = new URL('./countersign.yaml', import.meta.url);
const env = { SLACK_BOT_TOKEN: 'bot-token', SLACK_APP_TOKEN: 'app-token', CIRCLE: '${env:CIRCLE}' };

type Tree = { [key: string]: Tree | string };

/** A folder with the example configuration and what it refers to. */
export class Folder {
  readonly dir = mkdtempSync(join(tmpdir(), 'countersign-config-'));
  readonly file = join(this.dir, 'countersign.yaml');

  /** Puts everything back as the example expects it. */
  fill(): void {
    for (const name of ['secrets', 'policies'])
      mkdirSync(join(this.dir, name), { recursive: true });
    for (const name of ['shop', 'shop-analyser']) {
      writeFileSync(join(this.dir, 'secrets', name), `${name} secret\n`);
      chmodSync(join(this.dir, 'secrets', name), 0o600);
    }
    writeFileSync(join(this.dir, 'ca.pem'), 'AUTHORITY\n');
  }

  remove(): void {
    rmSync(this.dir, { recursive: true });
  }

  /** Reads the example with some keys put elsewhere: `{ 'targets.shop.url': '…' }`; undefined takes a key out. */
  read(changes: Record<string, unknown> = {}): Promise<Config> {
    const tree: Tree = parse(readFileSync(example, 'utf8'));
    for (const [path, value] of Object.entries(changes)) {
      const keys = path.split('.');
      const last = keys.pop() ?? '';
      const node = keys.reduce((at, key) => (at[key] ??= {}) as Tree, tree);
      if (value === undefined) delete node[last];
      else node[last] = value as string;
    }
    writeFileSync(this.file, stringify(tree));
    return this.readAsItIs();
  }

  readAsItIs(): Promise<Config> {
    return readConfig(this.file, env);
  }
}

/** The problems of a configuration that is refused, by path. */
export async function problemsOf(reading: Promise<Config>): Promise<Record<string, string>> {
  const error: unknown = await reading.then(
    () => assert.fail('the configuration was read'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError, String(error));
  return Object.fromEntries(error.problems.map((one) => [one.path, one.message]));
}
