import { setTimeout as sleep } from 'node:timers/promises';
import type { TestGateway } from '../fakes/gateway.ts';

/** `late` is checked before the end is there, and written after it. */
export async function overtaken<T>(
  { storeSql: sql }: TestGateway,
  end: () => Promise<unknown>,
  late: () => Promise<T>,
): Promise<T> {
  await sql.query('begin; lock table countersign.record in share mode');
  const ending = end();
  await sleep(100);
  const answer = late();
  await sleep(300);
  await sql.query('commit');
  await ending;
  return answer;
}
