import type { Config } from '#src/config/config.ts';
import { serve, type Running } from '#gateway/main.ts';
import { openLogger } from '#src/config/logger.ts';
import { freePort } from './postgres.ts';
import type { TestGateway } from './gateway.ts';

/** A second gateway of the same installation: same store, same targets, a name and addresses of its own. */
export async function startBeside(
  { config }: TestGateway,
  name: string,
  changes: Partial<Config> = {},
): Promise<{ readonly config: Config; readonly running: Running; readonly logged: string[] }> {
  const [console, postgres] = [await freePort(), await freePort()];
  const own: Config = {
    ...config,
    name,
    listen: {
      console: { host: '127.0.0.1', port: console },
      postgres: { host: '127.0.0.1', port: postgres },
    },
    publicUrl: `http://127.0.0.1:${console}`,
    ...changes,
  };
  const logged: string[] = [];
  const log = openLogger('debug', { write: (line: string) => void logged.push(line) });
  return { config: own, running: await serve(own, { log }), logged };
}
