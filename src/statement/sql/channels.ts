import type { ListenStmt, NotifyStmt, UnlistenStmt } from 'libpg-query';
import type { Resource } from '../effect.ts';
import { access, administering, type Deed } from './deed.ts';
import type { Statement } from './part.ts';

/** NOTIFY does what pg_notify() does, so it asks for the same. Its payload is a literal: nothing flows into it. */
export function notify(statement: Statement, body: NotifyStmt): Deed {
  const path = [statement.catalog.target, 'pg_catalog', 'pg_notify'];
  const resource: Resource = { type: 'Function', path };
  return {
    class: 'notify',
    words: `sends a message to everybody who listens to ${body.conditionname ?? ''}`,
    accesses: access('execute', [resource]),
  };
}

/** What others send arrives unmasked, at any time. */
export function listen(statement: Statement, body: ListenStmt): Deed {
  return {
    class: 'listen',
    words: `receives what anybody sends to ${body.conditionname ?? ''}`,
    accesses: administering(statement),
  };
}

export function unlisten(_: Statement, body: UnlistenStmt): Deed {
  return {
    class: 'unlisten',
    words: `no longer receives what is sent to ${body.conditionname ?? 'any channel'}`,
    accesses: [],
  };
}
