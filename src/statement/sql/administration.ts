import type {
  AlterDefaultPrivilegesStmt,
  AlterPublicationStmt,
  CreatePublicationStmt,
  GrantRoleStmt,
  GrantStmt,
  ImportForeignSchemaStmt,
  Node,
} from 'libpg-query';
import type { Access, Escape, Resource } from '../effect.ts';
import { addressOf, namesOf, relationAddress } from './address.ts';
import { nameParts } from './constant.ts';
import { access, administering, type Deed } from './deed.ts';
import { kindWords } from './kinds.ts';
import { schemaOf } from './objects.ts';
import type { Statement } from './part.ts';

/** What concerns the server or the database as a whole, and is the administrator's. */
type Office = {
  readonly class: string;
  readonly says: string;
  readonly escapes?: readonly Escape[];
  readonly defines?: boolean;
};

const office = (
  kind: string,
  says: string,
  escapes: readonly Escape[] = [],
  defines = false,
): Office => ({ class: kind, says, ...(escapes.length > 0 && { escapes }), defines });

const offices: Readonly<Record<string, Office>> = {
  CreateRoleStmt: office('create-role', 'creates the role', ['role']),
  AlterRoleStmt: office('alter-role', 'changes the role', ['role']),
  AlterRoleSetStmt: office('alter-role', 'changes the settings of the role', ['role', 'settings']),
  DropRoleStmt: office('drop-role', 'drops the role', ['role']),
  ReassignOwnedStmt: office(
    'reassign-owned',
    'gives away everything that is owned by',
    ['role'],
    true,
  ),
  DropOwnedStmt: office('drop-owned', 'drops everything that is owned by', ['role'], true),
  AlterSystemStmt: office('alter-system', 'changes a setting of the whole server', ['settings']),
  CreateExtensionStmt: office('create-extension', 'installs the extension', ['extension'], true),
  AlterExtensionStmt: office('alter-extension', 'updates the extension', ['extension'], true),
  AlterExtensionContentsStmt: office(
    'alter-extension',
    'changes what belongs to the extension',
    ['extension'],
    true,
  ),
  LoadStmt: office('load', 'loads a library into the server', ['extension', 'server-file']),
  CheckPointStmt: office('checkpoint', 'makes the server write everything to disk'),
  CreatedbStmt: office('create-database', 'creates the database'),
  DropdbStmt: office('drop-database', 'drops the database'),
  AlterDatabaseStmt: office('alter-database', 'changes the database'),
  AlterDatabaseSetStmt: office('alter-database', 'changes the settings of the database', [
    'settings',
  ]),
  AlterDatabaseRefreshCollStmt: office('alter-database', 'accepts the collations of the database'),
  CreateTableSpaceStmt: office('create-tablespace', 'creates the tablespace', ['server-file']),
  DropTableSpaceStmt: office('drop-tablespace', 'drops the tablespace'),
  AlterTableSpaceOptionsStmt: office('alter-tablespace', 'changes the tablespace'),
  AlterTableMoveAllStmt: office('alter-tablespace', 'moves everything that is in the tablespace'),
  CreateSubscriptionStmt: office(
    'create-subscription',
    'copies tables from another server by the subscription',
    ['network'],
  ),
  AlterSubscriptionStmt: office('alter-subscription', 'changes the subscription', ['network']),
  DropSubscriptionStmt: office('drop-subscription', 'drops the subscription', ['network']),
  CreateFdwStmt: office('create-foreign-data-wrapper', 'creates the foreign data wrapper', [
    'network',
  ]),
  AlterFdwStmt: office('alter-foreign-data-wrapper', 'changes the foreign data wrapper', [
    'network',
  ]),
  CreateForeignServerStmt: office('create-server', 'makes another server reachable as', [
    'network',
  ]),
  AlterForeignServerStmt: office('alter-server', 'changes how another server is reached:', [
    'network',
  ]),
  CreateUserMappingStmt: office('create-user-mapping', 'sets who logs in at the other server', [
    'network',
    'role',
  ]),
  AlterUserMappingStmt: office('alter-user-mapping', 'changes who logs in at the other server', [
    'network',
    'role',
  ]),
  DropUserMappingStmt: office('drop-user-mapping', 'forgets who logs in at the other server', [
    'network',
  ]),
  CreateEventTrigStmt: office(
    'create-event-trigger',
    'runs code at changes of the schema by the event trigger',
    ['code'],
  ),
  AlterEventTrigStmt: office('alter-event-trigger', 'changes the event trigger', ['code']),
  CreatePLangStmt: office('create-language', 'creates the language', ['code', 'extension']),
  CreateAmStmt: office('create-access-method', 'creates the access method', ['code', 'extension']),
  CreateCastStmt: office(
    'create-cast',
    'changes how values are converted, in every statement',
    ['code'],
    true,
  ),
  CreateTransformStmt: office(
    'create-transform',
    'changes how values are handed to functions',
    ['code'],
    true,
  ),
  CreateConversionStmt: office(
    'create-conversion',
    'creates a conversion between encodings',
    ['code'],
    true,
  ),
  CreateOpClassStmt: office(
    'create-operator-class',
    'changes how values are compared in indexes of',
    ['code'],
    true,
  ),
  CreateOpFamilyStmt: office(
    'create-operator-family',
    'creates an operator family for',
    ['code'],
    true,
  ),
  AlterOpFamilyStmt: office(
    'alter-operator-family',
    'changes how values are compared in indexes of',
    ['code'],
    true,
  ),
};

// Where the different statements keep the name of what they are about.
const nameFields =
  'extname subname pubname servername fdwname tablespacename orig_tablespacename dbname trigname plname amname role roles'.split(
    ' ',
  );

/** Undefined for what is nobody's office. */
export function administration(statement: Statement, node: Node): Deed | undefined {
  const [tag = '', body] = Object.entries(node)[0] ?? [];
  const found = offices[tag];
  if (!found) return undefined;
  const { class: kind, says, escapes, defines = false } = found;
  return {
    class: kind,
    words: `${says} ${nameIn(body)}`.trim(),
    accesses: administering(statement),
    ...(escapes && { escapes }),
    defines,
  };
}

function nameIn(body: unknown): string {
  const fields = new Map<string, unknown>(Object.entries(body ?? {}));
  for (const field of nameFields) {
    const name = textOf(fields.get(field));
    if (name !== '') return name;
  }
  return '';
}

/** A name, a role, or a list of roles. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value))
    return value
      .map((one: unknown) => textOf(one))
      .filter((one) => one !== '')
      .join(', ');
  if (typeof value !== 'object' || value === null) return '';
  const fields = new Map<string, unknown>(Object.entries(value));
  return textOf(fields.get('RoleSpec') ?? fields.get('rolename'));
}

const roles = (nodes: readonly Node[] | undefined): string =>
  (nodes ?? [])
    .map((one) =>
      'RoleSpec' in one
        ? (one.RoleSpec.rolename ??
          (one.RoleSpec.roletype === 'ROLESPEC_PUBLIC' ? 'everybody' : 'the current role'))
        : '',
    )
    .join(', ');

function privileges(nodes: readonly Node[] | undefined): string {
  if (!nodes || nodes.length === 0) return 'all privileges';
  return nodes
    .map((one) => {
      if (!('AccessPriv' in one)) return '';
      const { priv_name: name = 'all', cols = [] } = one.AccessPriv;
      return cols.length > 0 ? `${name} (${nameParts(cols).join(', ')})` : name;
    })
    .join(', ');
}

/** GRANT and REVOKE of rights on objects: rules here do not see what other sessions do with them. */
export function grant(statement: Statement, body: GrantStmt): Deed {
  const gives = body.is_grant === true;
  const names = (body.objects ?? []).map(
    (one) =>
      addressOf(
        statement,
        body.objtype,
        'RangeVar' in one ? undefined : one,
        'RangeVar' in one ? one.RangeVar : undefined,
      ).name,
  );
  const all = body.targtype === 'ACL_TARGET_ALL_IN_SCHEMA';
  const on = all
    ? `every ${kindWords(body.objtype)} of ${(body.objects ?? []).flatMap((one) => namesOf(one)).join(', ')}`
    : names.join(', ');
  const option = body.grant_option === true ? ', who may pass it on' : '';
  return {
    class: gives ? 'grant' : 'revoke',
    words: `${gives ? 'grants' : 'revokes'} ${privileges(body.privileges)} on ${on} ${gives ? 'to' : 'from'} ${roles(body.grantees)}${gives ? option : ''}`,
    accesses: administering(statement),
    // Who may look into a schema decides what a name means.
    defines: body.objtype === 'OBJECT_SCHEMA',
  };
}

export function grantRole(statement: Statement, body: GrantRoleStmt): Deed {
  const gives = body.is_grant === true;
  return {
    class: gives ? 'grant-role' : 'revoke-role',
    words: `${gives ? 'lets' : 'no longer lets'} ${roles(body.grantee_roles)} act as ${privileges(body.granted_roles)}`,
    accesses: administering(statement),
    escapes: ['role'],
    defines: true,
  };
}

export function defaultPrivileges(statement: Statement, body: AlterDefaultPrivilegesStmt): Deed {
  const { is_grant: gives, privileges: list, grantees, objtype } = body.action ?? {};
  return {
    class: 'alter-default-privileges',
    words: `${gives === true ? 'grants' : 'revokes'} ${privileges(list)} on every new ${kindWords(objtype)} ${gives === true ? 'to' : 'from'} ${roles(grantees)}`,
    accesses: administering(statement),
  };
}

/** What is published leaves for other servers, where nothing is masked. */
export function publication(
  statement: Statement,
  body: CreatePublicationStmt | AlterPublicationStmt,
  verb: 'create' | 'alter',
): Deed {
  const { catalog } = statement;
  const objects = (body.pubobjects ?? []).flatMap((one) =>
    'PublicationObjSpec' in one ? [one.PublicationObjSpec] : [],
  );
  const removes = 'action' in body && body.action === 'AP_DropObjects';
  const tables = objects.flatMap(({ pubtable }) =>
    pubtable?.relation ? [relationAddress(statement, pubtable.relation)] : [],
  );
  const schemas = objects.flatMap(({ pubobjtype, name }) =>
    pubobjtype === 'PUBLICATIONOBJ_TABLES_IN_SCHEMA' && name !== undefined ? [name] : [],
  );
  const current = objects.some(
    ({ pubobjtype }) => pubobjtype === 'PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA',
  );
  const everything = body.for_all_tables === true || current;
  const published: readonly Resource[] = everything
    ? catalog.ruleable()
    : catalog.allColumns([
        ...tables.flatMap(({ relation }) => relation?.oid ?? []),
        ...schemas.flatMap((name) => catalog.tablesOf(name)).map(({ oid }) => oid),
      ]);
  const reads = tables.flatMap(({ relation }) =>
    relation ? access('read', [catalog.table(relation)]) : [],
  );
  const names = [...tables.map(({ name }) => name), ...schemas.map((name) => `all of ${name}`)];
  const what = everything ? 'every table' : names.join(', ') || 'no table';
  return {
    class: `${verb}-publication`,
    words: `${removes ? 'no longer publishes' : 'publishes'} ${what} to other servers (${body.pubname ?? ''})`,
    accesses: [...administering(statement), ...(removes ? [] : reads)],
    ...(!removes && published.length > 0 && { flows: published }),
    escapes: ['network'],
  };
}

export function importForeign(statement: Statement, body: ImportForeignSchemaStmt): Deed {
  const schema = schemaOf(statement, body.local_schema);
  const asked: readonly Access[] = [...administering(statement), ...access('define', [schema])];
  return {
    class: 'import-foreign-schema',
    words: `makes the tables of ${body.remote_schema ?? ''} on the server ${body.server_name ?? ''} readable in ${schema.path.join('.')}`,
    accesses: asked,
    escapes: ['network'],
    defines: true,
  };
}
