import { type Cluster, type ClusterOptions, startCluster } from './embedded.ts';
import { databaseExists, ensureRole, urlFor, withClient } from './embedded-database.ts';

export type EmbeddedStore = Pick<Cluster, 'port' | 'pid' | 'logFile' | 'stop'> & {
  /** As the role that the gateway runs as, which appends to the log and never changes it. */
  readonly url: string;
  /** As the owner of database and tables, `countersign`: for migrations. */
  readonly ownerUrl: string;
};

/** The role that the gateway runs as on an embedded store. */
export const RUNNER = 'countersign_gateway';

/** Starts the cluster `store` with the database that Countersign keeps its own data in. Throws `StartError`. */
export async function startStore(
  options: Omit<ClusterOptions, 'name'> & { readonly password: string },
): Promise<EmbeddedStore> {
  const { password, ...rest } = options;
  const cluster = await startCluster({ ...rest, name: 'store' });
  try {
    await withClient(cluster.url, async (client) => {
      await ensureRole(client, 'countersign', password);
      await ensureRole(client, RUNNER, password);
      if (!(await databaseExists(client, 'countersign')))
        await client.query('create database countersign owner countersign');
    });
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return {
    ...cluster,
    url: urlFor(cluster.url, RUNNER, password, 'countersign'),
    ownerUrl: urlFor(cluster.url, 'countersign', password, 'countersign'),
  };
}
