import { attacks } from './sql-world.ts';

attacks('what a hidden column may be dressed in', {
  'behind names': [
    'masked',
    {
      'an alias of another column': 'select code as id, id as code from vault',
      'an alias list of the table': 'select e from vault as v(a, e, c)',
      'capitals and quotes': 'SELECT CODE, "code", Vault.COde FROM PUBLIC.VAULT',
      'Unicode escapes': String.raw`select U&"c\006fde" from U&"v\0061ult"`,
      'Unicode escapes of another kind': `select U&"c!006fde" uescape '!' from vault`,
      'comments for blanks': 'select/**/code/*/* -- */*/from/**/vault--',
      'an array of everything in JSON': 'select json_agg(v) from (select code from vault) v',
      'the schema of another name': 'select vault.code from public.vault, notes',
      'a join alias': 'select j.code from (vault join notes using (id)) as j',
      'an alias of USING': 'select u.id, code from vault join notes using (id) as u',
      'a dollar-quoted column of its own':
        'select $a$code$a$ as name, code as "?column?" from vault',
      'a string with a backslash before it': String.raw`select '\' as a, code as b from vault`,
      'an escape string before it': String.raw`select E'\'' as a, code as b from vault -- '`,
      'strings on several lines': `select 'a'\n'b' as a, code as b from vault`,
    },
  ],
  'through views and tables': [
    'masked',
    {
      'a barrier view': 'select ssn from v_barrier',
      'an invoker view': 'select ssn from v_invoker',
      'views of views, and an expression': 'select deeper, shout from v_chain2',
      'a materialized view': 'select kept, back from v_copies',
      'a partitioned table': 'select ssn from people',
      'a partition': 'select ssn from people_1',
      'the parent of inheritance': 'select chip from animals',
      'the child of a ruled table': 'select chip, dogs from dogs',
      'generated columns, stored and virtual': 'select tail, alive from made',
      'row security': 'select code from guarded',
      TABLE: 'table vault',
      TABLESAMPLE: 'select code from vault tablesample system (100)',
      'a row lock': 'select code from vault for share',
      'system columns beside it': 'select ctid, xmin, tableoid, code from vault',
    },
  ],
  'through queries': [
    'masked',
    {
      'a lateral join': 'select l.c from vault v, lateral (select v.code) l(c)',
      'VALUES with a sub-select': 'values (1, (select code from vault limit 1))',
      'lateral VALUES': 'select x from vault, lateral (values (code), (reverse(code))) t(x)',
      'UNION ALL': 'select note from notes union all select code from vault',
      UNION: 'select code from vault union select note from notes',
      EXCEPT: `select code from vault except select 'x'`,
      INTERSECT: 'select code from vault intersect select code from vault',
      'a nested set operation': `(select 'x' union all (select code from vault intersect all select code from vault)) order by 1`,
      'a materialized expression':
        'with a as materialized (select code c from vault) select c from a',
      'an expression that is not':
        'with a as not materialized (select code c from vault) select c from a a1 natural join a a2',
      'an expression named as a table':
        'with notes as (select code as note from vault) select note from notes',
      'a recursive expression':
        'with recursive r as (select id, code from vault where id = 1 union all select id + 1, code from r where id < 3) select * from r',
      'SEARCH and CYCLE':
        'with recursive r as (select id, code from vault union all select id + 10, code from r where id < 20) search depth first by code set o cycle code set c using p select o, c, p from r',
      'a scalar sub-select in an array':
        'select array(select code from vault), (array(select code from vault))[1]',
      'grouping sets': 'select code, count(*) from vault group by rollup (code)',
      'DISTINCT ON': 'select distinct on (code) code from vault',
      'a correlated sub-select of itself':
        'select (select w.code from vault w where w.id = v.id) from vault v',
      'a full join without a condition':
        'select a.code, b.code from vault a full join vault b on true',
    },
  ],
  'as whole rows': [
    'masked',
    {
      'the row': 'select v from vault v',
      'the row as text': 'select v::text from vault v',
      ROW: 'select row(v.*), row(code)::text from vault v',
      'a field of it': 'select (v).code, (v.*)::text, (row(code)).f1 from vault v',
      'a field of a sub-select': 'select ((select v from vault v limit 1)).code',
      JSON: 'select row_to_json(v), to_jsonb(v), to_json(v.code) from vault v',
      aggregates: 'select array_agg(v), json_agg(v), jsonb_agg(v.*), max(v.code) from vault v',
      'a field of an array of rows': 'select (unnest(array_agg(v))).code from vault v',
      'JSON back into a row':
        'select (json_populate_record(null::vault, row_to_json(v))).code from vault v',
      'JSON into a record':
        'select r.* from vault v, json_to_record(row_to_json(v)) as r(code text)',
      'format and concat': `select format('%s', v), concat(v), concat_ws('', v, v), quote_literal(v) from vault v`,
      XML: 'select xmlforest(v.code as a), xmlelement(name b, xmlattributes(v.code as c)) from vault v',
      'each of its fields': 'select e.* from vault v, jsonb_each_text(to_jsonb(v)) e',
      'a null row coalesced': 'select coalesce(null, v) from vault v',
      'CASE over rows': 'select case when true then v end from vault v',
      'the row behind a view': 'select c from v_chain c',
      'the row of a join': 'select j from (vault natural join notes) j',
    },
  ],
  'by functions': [
    'masked',
    {
      casts:
        'select code::varchar(3), code::char(4), code::name, code::bytea, cast(code as text) from vault',
      cuts: `select left(code, 5), right(code, -1), substring(code from 2), split_part(code, '-', 2), overlay(code placing 'x' from 1), trim(code) from vault`,
      digests:
        'select md5(code), sha256(code::bytea), hashtext(code), hashtextextended(code, 1) from vault',
      encodings: `select encode(raw, 'hex'), encode(raw, 'base64'), encode(raw, 'escape'), convert_from(raw, 'UTF8'), convert_to(code, 'LATIN1') from vault`,
      characters: `select ascii(code), chr(ascii(code)), reverse(code), upper(code), initcap(code), translate(code, 'a', 'b'), to_hex(ascii(code)) from vault`,
      'bits and lengths':
        'select bit_length(code), get_byte(raw, 0), (ascii(code))::bit(8), length(code), pg_column_size(code) from vault',
      patterns: `select regexp_matches(code, '.*'), regexp_split_to_table(code, '-'), regexp_replace(code, 'x', ''), (regexp_match(code, '.*'))[1], regexp_substr(code, '.+') from vault`,
      words: `select to_tsvector(code), plainto_tsquery(code), ts_headline(code, to_tsquery('a')), ts_lexize('simple', code) from vault`,
      'the parser of words': `select token from vault, ts_parse('default', code)`,
      aggregates: `select string_agg(code, ','), array_agg(tags), jsonb_object_agg(id, code), xmlagg(xmlelement(name a, code)), min(code), any_value(code) from vault`,
      'ordered-set aggregates':
        'select mode() within group (order by code), percentile_disc(array[0.5]) within group (order by code) from vault',
      windows:
        'select lag(code) over w, lead(code) over w, first_value(code) over w, nth_value(code, 1) over w, string_agg(code, $$$$) over w from vault window w as (order by id)',
      FILTER: `select max(code) filter (where id > 1), string_agg(code, ',' order by code) from vault`,
      'COALESCE and its kin': `select coalesce(null, code), nullif(code, ''), greatest(code, 'a'), least(code, 'z'), case id when 1 then code else 'x' end from vault`,
      arrays: `select tags[1], tags[1:1], tags || code, array_append(tags, code), array_to_string(tags, ','), array_fill(code, array[1]), array_replace(tags, 'a', code) from vault`,
      'rows of an array': 'select t.x from vault, unnest(tags) t(x)',
      'ROWS FROM':
        'select a from vault, rows from (unnest(tags), string_to_table(code, $$-$$)) with ordinality f(a, b, o)',
      'bytes as numbers':
        'select get_bit(raw, 1), raw || raw, substring(raw from 1 for 3), bit_count(raw) from vault',
      XPath: `select xpath('/a/text()', xmlelement(name a, code)), xmlserialize(content xmlelement(name a, code) as text), xmlconcat(xmlelement(name a, code)) from vault`,
      'a set-returning function of text': `select string_to_table(code, '-'), generate_subscripts(tags, 1) from vault`,
      'what would be an error': `select pg_input_is_valid(code, 'int'), pg_input_error_info(code, 'int') from vault`,
      'types asked of it':
        'select pg_typeof(code), pg_collation_for(code), code is distinct from $$x$$ from vault',
      quotes:
        'select quote_ident(code), quote_literal(code), quote_nullable(code), to_json(code) from vault',
      'a number of its digits': `select to_number(code, '99999'), lpad(code, 30, code), repeat(code, 2), strpos(code, 'z'), code ^@ 'v', starts_with(code, 'v') from vault`,
    },
  ],
  'as JSON and XML tables': [
    'masked',
    {
      JSON_TABLE: `select t.c from vault, json_table(doc, '$' columns (c text path '$.code')) t`,
      'JSON_TABLE with nested columns': `select t.* from vault, json_table(doc, '$' columns (n for ordinality, nested path '$.code' columns (c text path '$'))) t`,
      XMLTABLE: `select x.c from vault, xmltable('/a' passing xmlelement(name a, code) columns c text path '.') x`,
      'JSON_VALUE and JSON_QUERY': `select json_value(doc, '$.code'), json_query(doc, '$.code'), json_exists(doc, '$.code') from vault`,
      arrows: `select doc -> 'code', doc ->> 'code', doc #>> '{code}', doc['code'], doc @? '$.code' from vault`,
      paths: `select jsonb_path_query(doc, '$.*'), jsonb_path_query_array(doc, '$.code'), jsonb_pretty(doc), doc - 'x' from vault`,
      'keys made of it':
        'select jsonb_build_object(code, 1), json_object(array[code], array[code]), jsonb_set(doc, array[code], doc) from vault',
      'SQL/JSON constructors':
        'select json_array(code), json_object($$a$$: code), json_scalar(code), json_serialize(doc) from vault',
      'SQL/JSON aggregates': 'select json_arrayagg(code), json_objectagg(id: code) from vault',
      'JSON strings as rows': `select * from vault, jsonb_to_recordset(jsonb_build_array(doc)) as r(code text)`,
      elements: `select e from vault, jsonb_array_elements_text(jsonb_build_array(code)) e`,
      'a test whether it is JSON': 'select code is json, doc::text is json object from vault',
    },
  ],
});
