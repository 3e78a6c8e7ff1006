/** A small grammar of SQL over the attack world: queries that are mostly valid, and go everywhere a value can go. */
export type Type = 'text' | 'int' | 'bool' | 'text[]' | 'jsonb' | 'bytea';
type Column = { readonly name: string; readonly type: Type };
type Source = { readonly alias: string; readonly columns: readonly Column[] };
type Query = { readonly sql: string; readonly columns: readonly Column[] };

const columns = (list: string): Column[] =>
  list.split(' ').map((one) => {
    const [name = '', type = 'text'] = one.split(':');
    return { name, type: type as Type };
  });
const TABLES: Readonly<Record<string, readonly Column[]>> = {
  vault: columns('id:int code tags:text[] doc:jsonb raw:bytea city'),
  customers: columns('id:int name email card ssn city'),
  v_chain: columns('id:int hidden code'),
  v_chain2: columns('id:int deeper shout'),
  v_copies: columns('id:int kept back'),
  v_barrier: columns('id:int ssn'),
  animals: columns('id:int chip'),
  dogs: columns('id:int chip breed'),
  made: columns('id:int code tail alive'),
  guarded: columns('id:int code'),
  notes: columns('id:int note'),
  orders: columns('id:int status'),
};
// Mostly those whose columns may be searched: a statement that is refused shows nothing.
const OFTEN = ['vault', 'vault', 'vault', 'made', 'guarded', 'animals', 'dogs', 'notes', 'orders'];

export class Grammar {
  readonly #random: () => number;
  #names = 0;
  #scopes: readonly Source[] = [];
  #ctes: readonly Source[] = [];

  /** `random` gives numbers from 0 up to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[Math.floor(this.#random() * list.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  statement(): string {
    return this.chance(0.75) ? this.query().sql : this.#write();
  }

  query(depth = 3): Query {
    if (depth > 0 && this.chance(0.2)) return this.#withQuery(depth);
    if (depth > 0 && this.chance(0.2)) return this.#setOperation(depth);
    return this.chance(0.25) ? this.#grouped(depth) : this.#plain(depth);
  }

  #name(): string {
    this.#names += 1;
    return `n${this.#names}`;
  }

  #plain(depth: number, types?: readonly Type[]): Query {
    const outer = this.#scopes;
    const from = this.#from(depth);
    const outputs = (types ?? this.#types()).map((type) => ({ name: this.#name(), type }));
    const list = outputs.map(({ name, type }) => `${this.expression(type, depth)} as ${name}`);
    const where = this.chance(0.4) ? ` where ${this.expression('bool', depth - 1)}` : '';
    const distinct = this.chance(0.1) ? 'distinct ' : '';
    const order = this.chance(0.2) ? ' order by 1' : '';
    this.#scopes = outer;
    const sql = `select ${distinct}${list.join(', ')} from ${from}${where}${order} limit ${this.pick([3, 5, 20])}`;
    return { sql, columns: outputs };
  }

  #types(): Type[] {
    const count = 1 + Math.floor(this.#random() * 4);
    return Array.from({ length: count }, () =>
      this.pick(['text', 'text', 'text', 'int', 'bool', 'text[]', 'jsonb', 'bytea']),
    );
  }

  #grouped(depth: number): Query {
    const outer = this.#scopes;
    const from = this.#from(depth);
    const key = this.column('text') ?? { ref: `'k'`, type: 'text' };
    const aggregate = this.pick([
      (x: string) => `string_agg(${x}, ',' order by ${x})`,
      (x: string) => `max(${x})`,
      (x: string) => `min(${x}) filter (where ${x} > 'b')`,
      (x: string) => `(array_agg(distinct ${x}))[1]`,
      (x: string) => `jsonb_agg(${x})::text`,
      (x: string) => `mode() within group (order by ${x})`,
      (x: string) => `json_objectagg(${x}: 1)::text`,
      (x: string) => `first_value(max(${x})) over ()`,
    ]);
    const value = aggregate(this.expression('text', depth - 1));
    const [a, b] = [this.#name(), this.#name()];
    this.#scopes = outer;
    const by = this.pick([key.ref, `rollup (${key.ref})`, `grouping sets ((${key.ref}), ())`]);
    const sql = `select ${key.ref} as ${a}, ${value} as ${b} from ${from} group by ${by} limit 9`;
    return {
      sql,
      columns: [
        { name: a, type: 'text' },
        { name: b, type: 'text' },
      ],
    };
  }

  #setOperation(depth: number): Query {
    const left = this.#plain(depth - 1);
    const types = left.columns.map(({ type }) => type);
    const right = this.#plain(depth - 1, types);
    const how = this.pick(['union all', 'union all', 'union', 'intersect', 'except all']);
    return { sql: `(${left.sql}) ${how} (${right.sql})`, columns: left.columns };
  }

  #withQuery(depth: number): Query {
    const before = this.#ctes;
    const body = this.query(depth - 1);
    const name = this.#name();
    const kind = this.pick(['', '', 'materialized ', 'not materialized ']);
    this.#ctes = [...before, { alias: name, columns: body.columns }];
    const main = this.#plain(depth - 1);
    this.#ctes = before;
    const [first, ...others] = body.columns;
    if (first?.type === 'text' && others.length === 0 && this.chance(0.5)) {
      const again = `select r.${first.name} from ${name} r where length(r.${first.name}) < 0`;
      return {
        sql: `with recursive ${name} as ((${body.sql}) union all ${again}) ${main.sql}`,
        columns: main.columns,
      };
    }
    return { sql: `with ${name} as ${kind}(${body.sql}) ${main.sql}`, columns: main.columns };
  }

  #from(depth: number): string {
    let text = this.#source(depth);
    if (this.chance(0.35)) {
      const how = this.pick(['join', 'left join', 'full join', 'cross join lateral', ',']);
      const other = this.#source(depth - 1);
      text +=
        how === ',' || how.startsWith('cross')
          ? ` ${how} ${other}`
          : ` ${how} ${other} on ${this.#on()}`;
    }
    return text;
  }

  /** A condition that a full join can be made with. */
  #on(): string {
    const [a, b] = this.#scopes.slice(-2);
    const [x, y] = [a, b].map((source) => source?.columns.find(({ type }) => type === 'int')?.name);
    return a && b && x && y ? `${a.alias}.${x} = ${b.alias}.${y}` : 'true';
  }

  #source(depth: number): string {
    const alias = this.#name();
    if (this.#ctes.length > 0 && this.chance(0.6)) {
      const cte = this.pick(this.#ctes);
      this.#scopes = [...this.#scopes, { alias, columns: cte.columns }];
      return `${cte.alias} as ${alias}`;
    }
    if (depth > 0 && this.chance(0.25)) {
      const outer = this.#scopes;
      this.#scopes = [];
      const { sql, columns: inner } = this.query(depth - 1);
      this.#scopes = [...outer, { alias, columns: inner }];
      return `(${sql}) as ${alias}`;
    }
    if (this.#scopes.length > 0 && this.chance(0.25)) return this.#function(alias);
    const table = this.chance(0.85) ? this.pick(OFTEN) : this.pick(Object.keys(TABLES));
    this.#scopes = [...this.#scopes, { alias, columns: TABLES[table] ?? [] }];
    return `${table} as ${alias}`;
  }

  #function(alias: string): string {
    const [call, type] = this.pick<() => readonly [string, Type]>([
      () => [`unnest(${this.expression('text[]', 0)})`, 'text'],
      () => [`regexp_split_to_table(${this.expression('text', 0)}, '[aeiou]')`, 'text'],
      () => [`jsonb_array_elements(jsonb_build_array(${this.expression('jsonb', 0)}))`, 'jsonb'],
      () => [`string_to_table(${this.expression('text', 0)}, null)`, 'text'],
    ])();
    const made = { alias, columns: [{ name: 'x', type }] };
    this.#scopes = [...this.#scopes, made];
    return `lateral ${call} as ${alias}(x)`;
  }

  /** A column of this type that can be named here. */
  column(type: Type): { readonly ref: string; readonly type: Type } | undefined {
    const found = this.#scopes.flatMap(({ alias, columns: own }) =>
      own.filter((one) => one.type === type).map(({ name }) => `${alias}.${name}`),
    );
    return found.length === 0 ? undefined : { ref: this.pick(found), type };
  }

  expression(type: Type, depth: number): string {
    const column = this.chance(depth > 0 ? 0.45 : 0.8) ? this.column(type) : undefined;
    if (column) return column.ref;
    if (depth <= 0) return this.#literal(type);
    if (this.chance(0.12))
      return `(${this.#plain(depth - 2, [type]).sql.replace(/ limit \d+$/, ' limit 1')})`;
    const of = (inner: Type): string => this.expression(inner, depth - 1);
    return this.pick(this.#forms[type])(of);
  }

  #literal(type: Type): string {
    const literals: Record<Type, readonly string[]> = {
      text: [`'a'`, `'lisbon'`, `null::text`, `$$x y$$`],
      int: ['1', '2', '7', 'null::int'],
      bool: ['true', 'false'],
      'text[]': [`array['a', 'b']`, `'{}'::text[]`],
      jsonb: [`'{"a": 1}'::jsonb`, `'[]'::jsonb`],
      bytea: [String.raw`'\x00ff'::bytea`],
    };
    return this.pick(literals[type]);
  }

  #row(): string {
    const source = this.#scopes.at(-1);
    return source ? source.alias : `row(1, 'a')`;
  }

  readonly #forms: Readonly<Record<Type, readonly ((of: (type: Type) => string) => string)[]>> = {
    text: [
      (of) => `upper(${of('text')})`,
      (of) => `reverse(${of('text')})`,
      (of) => `(${of('text')} || ${of('text')})`,
      (of) => `left(${of('text')}, ${this.pick([5, 6, 9])})`,
      (of) => `substr(${of('text')}, ${this.pick([2, 3, 4])})`,
      (of) => `coalesce(${of('text')}, ${of('text')})`,
      (of) => `case when ${of('bool')} then ${of('text')} else ${of('text')} end`,
      (of) => `encode(${of('bytea')}, '${this.pick(['hex', 'base64', 'escape'])}')`,
      (of) => `convert_from(${of('bytea')}, 'UTF8')`,
      (of) => `(${of('text[]')})[${this.pick([1, 2])}]`,
      (of) => `array_to_string(${of('text[]')}, '')`,
      (of) => `(${of('jsonb')} ->> '${this.pick(['code', 'a', 'chip'])}')`,
      (of) => `${of('jsonb')}::text`,
      (of) => `${of('text[]')}::text`,
      (of) => `(${of('int')})::text`,
      (of) => `format('%s/%L', ${of('text')}, ${of('text')})`,
      (of) => `regexp_replace(${of('text')}, 'a', 'b')`,
      (of) => `greatest(${of('text')}, ${of('text')})`,
      (of) => `overlay(${of('text')} placing 'x' from 1)`,
      (of) => `translate(${of('text')}, 'ab', 'cd')`,
      (of) => `(${of('text')})::varchar(${this.pick([6, 40])})`,
      (of) => `xmlserialize(content xmlelement(name a, ${of('text')}) as text)`,
      (of) => `json_value(${of('jsonb')}, '$.code')`,
      (of) => `json_serialize(json_array(${of('text')}))`,
      (of) => `(select max(${of('text')}) over () limit 1)`,
      () => `${this.#row()}::text`,
      () => `row_to_json(${this.#row()})::text`,
      () => `concat(${this.#row()}, '!')`,
    ],
    int: [
      (of) => `length(${of('text')})`,
      (of) => `(${of('int')} + ${of('int')})`,
      (of) => `ascii(${of('text')})`,
      (of) => `cardinality(${of('text[]')})`,
      (of) => `strpos(${of('text')}, 'a')`,
      (of) => `octet_length(${of('bytea')})`,
    ],
    bool: [
      (of) => `(${of('text')} ${this.pick(['=', '<', '<>', '~~'])} ${of('text')})`,
      (of) => `(${of('int')} ${this.pick(['=', '<', '>='])} ${of('int')})`,
      (of) => `(${of('text')} is not null)`,
      (of) => `(${of('bool')} and ${of('bool')})`,
      (of) => `(${of('bool')} or not ${of('bool')})`,
      (of) => `(${of('text')} = any (${of('text[]')}))`,
      (of) => `(${of('text')} in (select code from vault))`,
      () => `exists (${this.#plain(0).sql})`,
      () => `(${this.#row()} is not null)`,
    ],
    'text[]': [
      (of) => `array[${of('text')}, ${of('text')}]`,
      (of) => `string_to_array(${of('text')}, 'a')`,
      (of) => `(${of('text[]')} || ${of('text')})`,
      (of) => `regexp_split_to_array(${of('text')}, '[0-9]')`,
      () => `array(${this.#plain(0, ['text']).sql})`,
      (of) => `(${of('text[]')})[1:2]`,
    ],
    jsonb: [
      (of) => `to_jsonb(${of('text')})`,
      (of) => `jsonb_build_object('code', ${of('text')})`,
      (of) => `jsonb_build_array(${of('text')}, ${of('jsonb')})`,
      (of) => `jsonb_set('{}', array['a'], ${of('jsonb')})`,
      (of) => `(${of('jsonb')} || ${of('jsonb')})`,
      (of) => `(${of('jsonb')} -> 'code')`,
      (of) => `jsonb_path_query_array(${of('jsonb')}, '$.*')`,
      () => `to_jsonb(${this.#row()})`,
    ],
    bytea: [
      (of) => `convert_to(${of('text')}, 'UTF8')`,
      (of) => `substring(${of('bytea')} from 2)`,
      (of) => `(${of('bytea')} || ${of('bytea')})`,
      (of) => `sha256(${of('bytea')})`,
    ],
  };

  /** A write that nothing holds, and what it gives back. */
  #write(): string {
    const table = this.pick(['vault', 'notes', 'made', 'guarded']);
    const alias = this.#name();
    this.#scopes = [{ alias, columns: TABLES[table] ?? [] }];
    const back = Array.from({ length: 2 }, () =>
      this.expression(this.pick(['text', 'jsonb', 'text[]']), 2),
    );
    const where = `${alias}.id = ${this.pick([1, 2, 3])} and ${this.expression('bool', 1)}`;
    const assigned = table === 'vault' ? 'city' : table === 'notes' ? 'note' : 'id';
    const value = assigned === 'id' ? `${alias}.id` : this.expression('text', 1);
    const update = `update ${table} as ${alias} set ${assigned} = ${value} where ${where} returning ${back.join(', ')}`;
    this.#scopes = [];
    const insert = (): string =>
      `insert into notes as ${alias} select 1000 + row_number() over (), q::text from (${this.query(1).sql}) q on conflict (id) do update set note = 'again' returning ${alias}, ${alias}.note`;
    const merge = (): string =>
      `merge into ${table} ${alias} using (${this.query(1).sql}) s on ${alias}.id = 1 when matched then do nothing`;
    return this.pick([
      () => update,
      () => update,
      () =>
        `with w as (${update.replace(/ returning .*$/s, ` returning ${alias}.*`)}) select to_jsonb(w), w::text, w.* from w`,
      insert,
      merge,
    ])();
  }
}
