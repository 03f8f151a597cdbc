//! Every object of the user's schemas, by name: what a migration's statements can be compared with.
//!
//! Left out are the server's own schemas, temporary objects, members of extensions, foreign tables, and the ledger's own
//! table with all that is its. Source: <https://www.postgresql.org/docs/current/catalogs.html>.

use super::quote::literal;

/// The statement that lists them; `schema` is where the ledger stands.
pub(super) fn objects(schema: &str) -> String {
    format!(
        "with ns as (select oid, nspname from pg_namespace n \
           where nspname !~ '^pg_' and nspname <> 'information_schema'), \
         member as (select classid, objid from pg_depend where deptype = 'e'), \
         rel as (select c.oid, ns.nspname, c.relname, c.relkind from pg_class c join ns on ns.oid = c.relnamespace \
           where not (c.relname = '_prisma_migrations' and ns.nspname = {schema}) \
           and not exists (select from member m where m.classid = 'pg_class'::regclass and m.objid = c.oid)) \
         select 'object', json_build_array(o.kind, o.schema, o.name, o.part)::text from ({lines}) \
           as o(kind, schema, name, part)",
        schema = literal(schema),
        lines = LINES.join(" union all "),
    )
}

/// What each column of a table is like; `schema` is where the ledger stands. A default over this many characters is cut to
/// nothing, and so is that of a table which somebody locks against all others, or waits to: newer servers have `pg_get_expr` wait for
/// the table.
pub(super) fn columns(schema: &str) -> String {
    format!(
        "with locked as (select l.relation from pg_locks l where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' \
           and l.database = (select b.oid from pg_database b where b.datname = current_database())) \
         select 'column', json_build_array(n.nspname, c.relname, a.attname, a.attnotnull, \
           case when length(e.expr) <= 200 then e.expr when e.expr is not null then '' end, \
           format_type(a.atttypid, a.atttypmod))::text \
         from pg_namespace n join pg_class c on c.relnamespace = n.oid join pg_attribute a on a.attrelid = c.oid \
         left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated = '' \
         left join lateral (select case when d.oid is null then null \
           when exists (select from locked k where k.relation = c.oid) then '' \
           else pg_get_expr(d.adbin, d.adrelid) end as expr) e on true \
         where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p') \
           and a.attnum > 0 and not a.attisdropped \
           and not (c.relname = '_prisma_migrations' and n.nspname = {schema}) \
           and not exists (select from pg_depend m where m.deptype = 'e' and m.classid = 'pg_class'::regclass \
             and m.objid = c.oid)",
        schema = literal(schema),
    )
}

/// What each index is like; `schema` is where the ledger stands.
pub(super) fn indexes(schema: &str) -> String {
    format!(
        "select 'index', json_build_array(n.nspname, c.relname, t.relname, i.indisunique, \
           case when not 0 = any (i.indkey::int2[]) then (select json_agg(a.attname order by k.at) \
             from unnest(i.indkey::int2[]) with ordinality k(attnum, at) \
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.at <= i.indnkeyatts) end, \
           i.indpred is not null)::text \
         from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid \
         join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and t.relkind in ('r', 'p') \
           and not (t.relname = '_prisma_migrations' and n.nspname = {schema}) \
           and not exists (select from pg_depend m where m.deptype = 'e' and m.classid = 'pg_class'::regclass \
             and m.objid in (c.oid, t.oid))",
        schema = literal(schema),
    )
}

/// One query for each kind, each giving the kind's name, the schema, the name, and the part.
const LINES: [&str; 10] = [
    "select 'Schema'::text, ''::text, ns.nspname::text, ''::text from ns where not exists \
       (select from member m where m.classid = 'pg_namespace'::regclass and m.objid = ns.oid)",
    "select case c.relkind when 'S' then 'Sequence' when 'v' then 'View' when 'm' then 'View' else 'Table' end, \
       c.nspname, c.relname, '' from rel c where c.relkind in ('r', 'p', 'v', 'm', 'S')",
    "select 'Index', c.nspname, c.relname, '' from rel c join pg_index i on i.indexrelid = c.oid \
       where i.indrelid in (select oid from rel)",
    "select 'Column', c.nspname, c.relname, a.attname from rel c join pg_attribute a on a.attrelid = c.oid \
       where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped",
    // From PostgreSQL 18 on each NOT NULL of a column is one, too: no statement names it, and before there was none.
    "select 'Constraint', c.nspname, c.relname, k.conname from rel c join pg_constraint k on k.conrelid = c.oid \
       where k.contype <> 'n'",
    "select 'Trigger', c.nspname, c.relname, t.tgname from rel c join pg_trigger t on t.tgrelid = c.oid \
       where not t.tgisinternal",
    "select 'Type', ns.nspname, t.typname, '' from pg_type t join ns on ns.oid = t.typnamespace \
       where (t.typtype in ('e', 'd', 'r') \
         or t.typtype = 'c' and t.typrelid in (select c.oid from rel c where c.relkind = 'c')) \
       and not exists (select from member m where m.classid = 'pg_type'::regclass and m.objid = t.oid)",
    "select 'EnumValue', ns.nspname, t.typname, e.enumlabel from pg_enum e join pg_type t on t.oid = e.enumtypid \
       join ns on ns.oid = t.typnamespace \
       where not exists (select from member m where m.classid = 'pg_type'::regclass and m.objid = t.oid)",
    "select distinct 'Function', ns.nspname::text, p.proname::text, '' from pg_proc p \
       join ns on ns.oid = p.pronamespace \
       where not exists (select from member m where m.classid = 'pg_proc'::regclass and m.objid = p.oid)",
    "select 'Extension', '', e.extname, '' from pg_extension e",
];
