import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '#src/config/config.ts';
import { ConfigError, readConfig } from '#src/config/read.ts';
import type { Options } from './command.ts';
import { usageFailure } from './failure.ts';

export const CONFIG_OPTION = {
  config: {
    type: 'string',
    value: 'FILE',
    about: 'configuration (default: ./countersign.yaml, then the demo’s)',
  },
} as const satisfies Options;

const PLACES = [
  'countersign.yaml',
  '.countersign/demo/countersign.yaml',
  fileURLToPath(new URL('../.countersign/demo/countersign.yaml', import.meta.url)),
];

/** The configuration that applies here; rejects with `Failure` that holds every problem of the file. */
export async function openConfig(given?: string): Promise<{ path: string; config: Config }> {
  const path = given ?? (await firstOf(PLACES));
  if (path === undefined)
    throw usageFailure(
      'no configuration',
      'write countersign.yaml (docs/configuration.md), or pass --config FILE; npm start makes one for the demo',
    );
  try {
    return { path, config: await readConfig(path) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw usageFailure(
      `${path} cannot be used`,
      error.problems
        .map(({ path: key, message }) => (key === '' ? message : `${key}: ${message}`))
        .join('\n  '),
    );
  }
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  const found = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.find((_, i) => found[i]);
}
