import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

export const WORK = `
@id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
@id("read") permit (principal in Group::"engineering", action in [Action::"read", Action::"reveal", Action::"filter", Action::"join"], resource in Target::"shop");
@id("run") permit (principal in Group::"engineering", action == Action::"execute", resource);
@id("write") permit (principal in Role::"shop/writer", action in [Action::"write", Action::"delete", Action::"assign"], resource in Target::"shop");
@id("visit") permit (principal in Role::"shop/visitor", action in [Action::"connect", Action::"read", Action::"reveal", Action::"filter"], resource in Target::"shop");
@id("visitors-run") permit (principal in Role::"shop/visitor", action == Action::"execute", resource);
@id("admin") permit (principal in Role::"shop/admin", action in [Action::"write", Action::"assign", Action::"administer"], resource in Target::"shop");
`;
export const ASK = `
@id("ask-writer") @duration("4h") permit (principal in Group::"engineering", action == Action::"request", resource == Role::"shop/writer");
@id("writer-second") @hold("dba") @expires("1h") @reason("required") forbid (principal, action == Action::"request", resource == Role::"shop/writer");
@id("ask-visitor") @ends("finish") permit (principal == Person::"stranger@example.com", action == Action::"request", resource == Role::"shop/visitor");
@id("ask-ticket") @ticket("OPS-[0-9]+") @start("approval") permit (principal in Group::"engineering", action == Action::"request", resource == Role::"shop/ticketed");
@id("glass") @duration("1h") @review("security") permit (principal in Group::"engineering", action == Action::"break-glass", resource == Role::"shop/admin");
`;

/** The whole product with rules about roles, and what tests do to it. */
export async function startGrants() {
  const gateway: TestGateway = await startGateway({ onlyRules: WORK + ASK, rules: '' });
  let count = 0;
  const send = async (
    who: Who,
    method: string,
    path: string,
    body?: unknown,
    use: 'connect' | 'decide' = 'connect',
  ): Promise<{ status: number; body: any }> => {
    const response = await fetch(gateway.running.api + path, {
      method,
      headers: {
        authorization: `Bearer ${await gateway.token(who, use)}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const ask = (who: Who, role: string, more: object = {}) =>
    send(who, 'POST', '/requests', {
      kind: 'access',
      target: 'shop',
      role,
      reason: 'a customer waits for it',
      ...more,
    });
  const approve = (who: Who, id: string, more: object = {}) =>
    gateway.api(who, `/requests/${id}/decision`, { decision: 'approve', reason: 'fine', ...more });
  const end = (who: Who, id: string, reason = 'not needed any more') =>
    send(who, 'DELETE', `/grants/${id}`, { reason }, who === 'engineer' ? 'connect' : 'decide');
  /** Nothing is left of what a test before has granted. */
  const clear = async (): Promise<void> => {
    const { body } = await send('security', 'GET', '/grants', undefined, 'decide');
    for (const grant of body.grants) assert.equal((await end('security', grant.id)).status, 200);
    await gateway.storeSql.query(
      `update countersign.request set state = 'withdrawn' where state = 'pending'`,
    );
  };
  /** A grant of the role, approved where it must be. */
  const granted = async (role = 'writer', more: object = {}): Promise<any> => {
    const asked = await ask('engineer', role, more);
    assert.equal(asked.status, 200, JSON.stringify(asked.body));
    if (asked.body.state === 'granted') return asked.body.grant;
    const { status, body } = await approve('approver', asked.body.id);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.state, 'granted');
    return body.grant;
  };
  const write = async (client: { query(sql: string): Promise<unknown> }): Promise<string> =>
    client.query(`update orders set status = 'g${(count += 1)}' where id = 5`).then(
      () => 'ran',
      (error: any) => error.code,
    );
  const grantOf = async (id: string): Promise<any> =>
    (await send('security', 'GET', `/grants/${id}`, undefined, 'decide')).body;
  const rules = async (text: string): Promise<void> => {
    await writeFile(join(gateway.config.policies, 'shop.cedar'), text);
    await gateway.running.reload();
  };
  return { gateway, send, ask, approve, end, clear, granted, write, grantOf, rules };
}

export type GrantWorld = Awaited<ReturnType<typeof startGrants>>;
