import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { type Heard, RawClient } from '../fakes/raw-client.ts';

const SCHEMA = `
  create table few (id int primary key, v int not null default 0);
  create table two (id int primary key, v int not null default 0);
  create table late (id int primary key, other int references few deferrable initially deferred);
  create function touch() returns int language sql volatile as 'update few set v = v + 1 returning 1';
  create procedure commits() language plpgsql as 'begin commit; end';
`;
const RULES = `
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("all") permit (principal in Group::"engineering", action, resource in Target::"shop");
`;

/** A gateway over tables that `fill` fills anew, with these rules beside a permit for everything. */
export const startRows = (rules: string): Promise<TestGateway> =>
  startGateway({ schema: SCHEMA, onlyRules: RULES + rules });

/** Twenty rows in `few`, none elsewhere. */
export async function fill(gateway: TestGateway): Promise<void> {
  await gateway.targetSql.query(
    'truncate few, two, late; insert into few select n, 0 from generate_series(1, 20) n',
  );
}

export async function count(gateway: TestGateway, from: string): Promise<number> {
  const { rows } = await gateway.targetSql.query(`select count(*)::int n from ${from}`);
  return rows[0].n;
}

export async function raw<T>(
  gateway: TestGateway,
  use: (client: RawClient) => Promise<T>,
): Promise<T> {
  const client = await RawClient.connect(gateway);
  try {
    return await use(client);
  } finally {
    client.end();
  }
}

/** Of the ReadyForQuery that came last. */
export const statusOf = (heard: readonly Heard[]): string => heard.at(-1)?.['status'];

/** CopyData with rows for `few`, from 100 on; and CopyDone. */
export function copyRows(rows: number): Buffer {
  const body = Buffer.from(Array.from({ length: rows }, (_, n) => `${100 + n}\t1\n`).join(''));
  const head = Buffer.alloc(5);
  head.write('d');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body, Buffer.from([0x63, 0, 0, 0, 4])]);
}
