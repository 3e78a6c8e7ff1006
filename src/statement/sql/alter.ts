import type {
  AlterObjectDependsStmt,
  AlterObjectSchemaStmt,
  AlterOwnerStmt,
  CommentStmt,
  DropStmt,
  Node,
  ObjectType,
  RenameStmt,
  SecLabelStmt,
} from 'libpg-query';
import type { Resource } from '../effect.ts';
import { type Address, addressOf, namesOf } from './address.ts';
import type { Relation } from './catalog.ts';
import { access, administering, type Deed } from './deed.ts';
import { classWords, kindWords } from './kinds.ts';
import { lockWords } from './locks.ts';
import { schemaOf, targetOf } from './objects.ts';
import type { Statement } from './part.ts';

const oids = (all: readonly Address[]): ReadonlySet<number> =>
  new Set(all.flatMap(({ relation }) => relation?.oid ?? []));

const asked = (all: readonly Address[]): Address['accesses'] =>
  all.flatMap(({ accesses }) => accesses);

/** Rules speak of names: what gets another name leaves its rules, so its values count as copied there. */
export function rename(statement: Statement, body: RenameStmt): Deed {
  const { renameType, relation, subname, newname = '' } = body;
  // A schema, a role and the like are named where a column of something else would be.
  const whole = body.object === undefined && relation === undefined;
  const object: Node | undefined = whole ? { String: { sval: subname ?? '' } } : body.object;
  const found = addressOf(statement, renameType, object, relation);
  const flows = renamed(statement, { ...body, ...(object && { object }) }, found.relation);
  const part = whole || subname === undefined ? '' : `${kindWords(renameType)} ${subname} of `;
  return {
    class: 'rename',
    words: `renames ${part}${found.name} to ${newname}`,
    accesses: found.accesses,
    ...(flows.length > 0 && { flows }),
    defines: true,
    relations: oids([found]),
  };
}

// Their own names are in no rule.
const unnamed = new Set<ObjectType | undefined>([
  'OBJECT_INDEX',
  'OBJECT_SEQUENCE',
  'OBJECT_TABCONSTRAINT',
  'OBJECT_TRIGGER',
  'OBJECT_POLICY',
  'OBJECT_RULE',
]);

function renamed(
  statement: Statement,
  { renameType, object, subname }: RenameStmt,
  relation: Relation | undefined,
): readonly Resource[] {
  const { catalog } = statement;
  if (renameType === 'OBJECT_SCHEMA') {
    const inside = catalog.tablesOf((object ? namesOf(object) : []).at(-1) ?? '');
    return catalog.allColumns(inside.map(({ oid }) => oid));
  }
  if (!relation || unnamed.has(renameType)) return [];
  if (renameType !== 'OBJECT_COLUMN' && renameType !== 'OBJECT_ATTRIBUTE')
    return catalog.allColumns([relation.oid]);
  const column = [...relation.columns].find(([, name]) => name === subname);
  return column ? catalog.sources(relation.oid, column[0], true) : [];
}

export function setSchema(statement: Statement, body: AlterObjectSchemaStmt): Deed {
  const { objectType, relation, object, newschema } = body;
  const found = addressOf(statement, objectType, object, relation);
  const schema = schemaOf(statement, newschema);
  const { catalog } = statement;
  const flows = found.relation ? catalog.allColumns([found.relation.oid]) : [];
  return {
    class: 'set-schema',
    words: `moves ${found.name} to the schema ${schema.path.join('.')}${found.relation ? `; ${lockWords('ACCESS EXCLUSIVE')}` : ''}`,
    accesses: [...found.accesses, ...access('define', [schema])],
    ...(flows.length > 0 && { flows }),
    defines: true,
    relations: oids([found]),
  };
}

export function setOwner(statement: Statement, body: AlterOwnerStmt): Deed {
  const found = addressOf(statement, body.objectType, body.object, body.relation);
  return {
    class: 'set-owner',
    words: `makes ${body.newowner?.rolename ?? 'the current role'} the owner of ${found.name}`,
    accesses: found.accesses,
    defines: true,
    relations: oids([found]),
  };
}

/** ALTER … DEPENDS ON EXTENSION: it goes when the extension does. */
export function dependsOn(statement: Statement, body: AlterObjectDependsStmt): Deed {
  const found = addressOf(statement, body.objectType, body.object, body.relation);
  return {
    class: 'depends-on-extension',
    words: `makes ${found.name} ${body.remove === true ? 'independent of' : 'depend on'} an extension`,
    accesses: found.accesses,
    defines: true,
    relations: oids([found]),
  };
}

export function comment(statement: Statement, body: CommentStmt): Deed {
  const found = addressOf(statement, body.objtype, body.object);
  const verb = body.comment === undefined ? 'removes the comment on' : 'comments on';
  return {
    class: 'comment',
    words: `${verb} ${found.name}`,
    accesses: found.accesses,
    relations: oids([found]),
  };
}

/** Labels decide what a security module lets people see. */
export function label(statement: Statement, body: SecLabelStmt): Deed {
  const found = addressOf(statement, body.objtype, body.object);
  return {
    class: 'security-label',
    words: `changes the security label of ${found.name}`,
    accesses: [...found.accesses, ...administering(statement)],
    relations: oids([found]),
  };
}

const locked = new Set<ObjectType | undefined>([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_INDEX',
  'OBJECT_TRIGGER',
  'OBJECT_POLICY',
  'OBJECT_RULE',
]);

export function drop(statement: Statement, body: DropStmt): Deed {
  const { removeType, objects = [], behavior, concurrent } = body;
  const found = objects.map((one: Node) => addressOf(statement, removeType, one));
  const cascades = behavior === 'DROP_CASCADE';
  // What depends on it is known to the target only.
  const more = cascades ? access('define', [targetOf(statement)]) : [];
  const rows =
    removeType === 'OBJECT_TABLE' || removeType === 'OBJECT_MATVIEW' ? ' with all rows' : '';
  const lock = concurrent === true ? 'SHARE UPDATE EXCLUSIVE' : 'ACCESS EXCLUSIVE';
  return {
    class: classWords(`drop ${kindWords(removeType)}`),
    words: [
      `drops ${found.map(({ name }) => name).join(', ')}${rows}`,
      ...(cascades ? ['and everything that depends on it'] : []),
      ...(locked.has(removeType) ? [`; ${lockWords(lock)}`] : []),
    ]
      .join(' ')
      .replace(' ;', ';'),
    accesses: [...asked(found), ...more],
    defines: true,
    relations: oids(found),
  };
}
