import { type Cluster, type ClusterOptions, startCluster } from './embedded.ts';
import { databaseExists, ensureRole, urlFor, withClient } from './embedded-database.ts';

export type EmbeddedStore = Pick<Cluster, 'port' | 'pid' | 'logFile' | 'stop'> & {
  /** Role and database `countersign`: the log's triggers bind its owner, not a superuser. */
  readonly url: string;
};

/** Starts the cluster `store` with the database that Countersign keeps its own data in. Throws `StartError`. */
export async function startStore(
  options: Omit<ClusterOptions, 'name'> & { readonly password: string },
): Promise<EmbeddedStore> {
  const { password, ...rest } = options;
  const cluster = await startCluster({ ...rest, name: 'store' });
  try {
    await withClient(cluster.url, async (client) => {
      await ensureRole(client, 'countersign', password);
      if (!(await databaseExists(client, 'countersign')))
        await client.query('create database countersign owner countersign');
    });
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return { ...cluster, url: urlFor(cluster.url, 'countersign', password, 'countersign') };
}
