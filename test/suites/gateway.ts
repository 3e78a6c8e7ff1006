import type { TargetConfig } from '#src/config/config.ts';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import type { Server } from './server.ts';

const ALLOW_ALL = '@id("all") permit (principal, action, resource);';
/** The server trusts everybody on this machine. */
const secret = (): Promise<string> => Promise.resolve('');

/** The whole product in this process, with one target for each database; one rule opens them all, if nothing else is said. */
export async function gatewayTo(
  server: Server,
  role: string,
  databases: readonly string[],
  { rules = ALLOW_ALL, replication = true } = {},
): Promise<TestGateway> {
  const target = (name: string): TargetConfig => ({
    name,
    protocol: 'postgres',
    environment: 'test',
    timeZone: 'UTC',
    host: '127.0.0.1',
    port: server.port,
    user: role,
    password: secret,
    database: name,
    analyser: { user: server.superuser, password: secret },
    tls: { mode: 'disable' },
    hold: { inTransactionMs: 300_000, resendMs: 900_000 },
    record: { rows: 0, bytes: 0 },
    replication,
  });
  return startGateway({
    onlyRules: rules,
    config: {
      targets: new Map(databases.map((name) => [name, target(name)])),
      log: { level: 'warn' },
    },
  });
}
