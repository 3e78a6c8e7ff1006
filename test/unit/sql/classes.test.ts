import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseSync } from 'libpg-query';
import { classOf } from '#src/statement/sql/class-names.ts';
import { inFull } from './classes-brief.ts';
import { corpus } from './corpus.ts';
import { type TestTarget, startTarget } from './target.ts';

/** Nodes that are part of another statement and never stand alone. */
const inner = new Set([
  'RawStmt',
  'SetOperationStmt',
  'ReturnStmt',
  'PLAssignStmt',
  'ReplicaIdentityStmt',
]);

describe('every class of statement', () => {
  let target: TestTarget;
  before(async () => {
    target = await startTarget();
    // As the extension makes it.
    await target.sql(
      `create function dblink(text, text) returns setof record language sql as 'select 1'`,
    );
  });
  after(() => target.close());

  it('has an example for each statement node of the parser', () => {
    // The types come with the parser.
    const file = ['node_modules', '@pgsql', 'types', 'types.d.ts'];
    const types = readFileSync(join(import.meta.dirname, '..', '..', '..', ...file), 'utf8');
    const nodes = [...types.matchAll(/^export interface (\w+Stmt) \{/gm)].map(
      ([, name = '']) => name,
    );
    assert.ok(nodes.length > 110);
    const found = corpus.filter(({ cases }) => cases.length > 0).map(({ node }) => node);
    assert.deepEqual(nodes.filter((name) => !inner.has(name)).toSorted(), found.toSorted());
  });

  for (const { node, cases } of corpus)
    for (const { sql, expected } of cases)
      it(`${node}: ${sql}`, async () => {
        const parsed = parseSync(sql).stmts ?? [];
        assert.ok(parsed.some(({ stmt }) => Object.keys(stmt ?? {})[0] === node));
        assert.deepEqual(inFull(await target.analyse(sql)), expected);
      });

  it('a class is the same by the parse tree alone', async () => {
    // Cursors and EXECUTE have the class of what is behind them.
    const others = new Set(['DeclareCursorStmt', 'ExecuteStmt']);
    for (const { node, cases } of corpus)
      for (const { sql, expected } of cases) {
        const stmt = parseSync(sql).stmts?.[0]?.stmt;
        const found = /^\S+/.exec(expected[0] ?? '')?.[0];
        if (found === 'refused' || others.has(node) || !stmt || !(node in stmt)) continue;
        assert.equal(classOf(stmt), found, sql);
      }
  });

  it('docs/statements.md names each of them, and none that is not there', async () => {
    const known = new Set(['connect', 'select', 'fetch', 'prepare']);
    for (const { expected } of corpus.flatMap(({ cases }) => cases))
      for (const one of (expected[0] ?? '').split(' ; '))
        if (!one.startsWith('refused')) known.add(/^\S+/.exec(one)?.[0] ?? '');
    const docs = readFileSync(new URL('../../../docs/statements.md', import.meta.url), 'utf8');
    const table = docs.split('## Classes')[1]?.split('\n## ')[0] ?? '';
    const named = [...table.matchAll(/^\|([^|]+)\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => name),
    );
    assert.deepEqual([...new Set(named)].toSorted(), [...known].toSorted());
  });
});
