import { readFile } from 'node:fs/promises';
import { type Cluster, startCluster } from '#src/store/embedded.ts';
import { databaseExists, ensureRole, urlFor, withClient } from '#src/store/embedded-database.ts';

export type ShopOptions = {
  readonly dir: string;
  readonly port: number;
  readonly log: (text: string) => void;
  /** Passwords of the two roles that the gateway uses. */
  readonly gateway: string;
  readonly analyser: string;
};

/** Starts the cluster that plays production, and fills its database `shop` at the first start. Throws `StartError`. */
export async function startShop(options: ShopOptions): Promise<Cluster> {
  const cluster = await startCluster({
    dir: options.dir,
    name: 'shop',
    port: options.port,
    log: options.log,
  });
  try {
    const missing = await withClient(cluster.url, async (client) => {
      await ensureRole(client, 'gateway', options.gateway);
      await ensureRole(client, 'analyser', options.analyser);
      await client.query('grant set on parameter log_min_messages to analyser');
      return !(await databaseExists(client, 'shop'));
    });
    if (missing) {
      options.log('filling shop: 20,000 customers, 120,000 orders, 50,000 payments');
      await fill(cluster.url);
    }
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

async function fill(url: string): Promise<void> {
  const sql = await readFile(new URL('shop.sql', import.meta.url), 'utf8');
  await withClient(url, async (client) => {
    await client.query('drop database if exists filling');
    await client.query('create database filling');
  });
  await withClient(withDatabase(url, 'filling'), async (client) => {
    await client.query(`begin; ${sql}; commit`);
    await client.query('vacuum analyze');
  });
  await withClient(url, async (client) => {
    await client.query('revoke all on database filling, postgres, template1 from public');
    await client.query('grant connect on database filling to gateway, analyser');
    // Only a whole database gets the name: a start that was cut short begins anew.
    await client.query('alter database filling rename to shop');
  });
}

function withDatabase(url: string, database: string): string {
  const { username, password } = new URL(url);
  return urlFor(url, username, password, database);
}
