//! A digest of everything that DDL can change in one database, made by the server, so that 64 characters travel.
//!
//! Each object becomes one line of JSON with names in place of oids, so that "dropped and made again just the same" is
//! "as before". The lines are sorted and hashed. Not in it: rows, statistics, storage (a rewritten table with the same
//! definition is the same), values of sequences, temporary objects, roles, and the ledger's own table, which a
//! migration changes by being recorded. Kinds that are rare in migrations (operators, casts, text search ...) stand
//! with their whole catalog row: oids inside make such an object differ after it was made again, which errs towards
//! "changed".
//!
//! Also left out is the column option `pg_attver`, the server's own bookkeeping (seen on 15.20): a WAL position that it
//! stamps on a column when it makes it or changes its type. Nobody sets it, and it never comes out the same again.
//!
//! Needs PostgreSQL 11 (`sha256`, `prokind`).

use super::quote::literal;

/// The statement that makes the digest; `schema` is where the ledger stands.
pub(super) fn digest(schema: &str) -> String {
    let mut lines: Vec<String> = LINES.iter().map(|line| (*line).to_owned()).collect();
    lines.extend(WHOLE_ROWS.iter().map(|(table, key)| {
        format!("select json_build_array('{table}', to_jsonb(o) - 'oid') from {table} o where o.{key} >= 16384")
    }));
    format!(
        "with ns as (select oid, nspname, nspowner, nspacl from pg_namespace \
           where nspname !~ '^pg_' and nspname <> 'information_schema'), \
         ledger as (select c.oid from pg_class c join ns on ns.oid = c.relnamespace \
           where ns.nspname = {schema} and c.relname = '_prisma_migrations'), \
         rel as (select ns.nspname, c.* from pg_class c join ns on ns.oid = c.relnamespace \
           where c.oid not in (select oid from ledger)), \
         line(body) as (select body::text from ({lines}) as every(body)) \
         select 'catalog', encode(sha256(convert_to( \
           coalesce(string_agg(body, chr(10) order by body collate \"C\"), ''), getdatabaseencoding())), 'hex') from line",
        schema = literal(schema),
        lines = lines.join(" union all "),
    )
}

/// Catalogs whose user-made rows stand in the digest as they are, and the column that tells those (oids from 16384 on).
const WHOLE_ROWS: [(&str, &str); 17] = [
    ("pg_operator", "oid"),
    ("pg_opclass", "oid"),
    ("pg_opfamily", "oid"),
    ("pg_amop", "oid"),
    ("pg_amproc", "oid"),
    ("pg_cast", "oid"),
    ("pg_conversion", "oid"),
    ("pg_collation", "oid"),
    ("pg_ts_config", "oid"),
    ("pg_ts_config_map", "mapcfg"),
    ("pg_ts_dict", "oid"),
    ("pg_ts_parser", "oid"),
    ("pg_ts_template", "oid"),
    ("pg_language", "oid"),
    ("pg_am", "oid"),
    ("pg_transform", "oid"),
    ("pg_publication", "oid"),
];

/// One query for each kind of object, each giving one JSON array for each object. `ns`, `ledger` and `rel` are the
/// schemas, the ledger's table and the relations that count.
const LINES: [&str; 23] = [
    "select json_build_array('database', pg_get_userbyid(d.datdba), d.datacl::text, d.datconnlimit, \
       shobj_description(d.oid, 'pg_database')) \
       from pg_database d where d.datname = current_database()",
    "select json_build_array('setting', s.setrole::regrole::text, s.setconfig) from pg_db_role_setting s \
       join pg_database d on d.oid = s.setdatabase where d.datname = current_database()",
    "select json_build_array('schema', nspname, pg_get_userbyid(nspowner), nspacl::text) from ns",
    "select json_build_array('relation', c.nspname, c.relname, c.relkind, c.relpersistence, \
       pg_get_userbyid(c.relowner), c.relacl::text, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, \
       c.relreplident, c.relispopulated, (select am.amname from pg_am am where am.oid = c.relam), \
       (select t.spcname from pg_tablespace t where t.oid = c.reltablespace), c.reloftype::regtype::text, \
       pg_get_expr(c.relpartbound, c.oid), case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end, \
       case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end, \
       (select json_agg(i.inhparent::regclass::text order by i.inhseqno) from pg_inherits i where i.inhrelid = c.oid)) \
       from rel c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')",
    "select json_build_array('column', c.nspname, c.relname, \
       row_number() over (partition by a.attrelid order by a.attnum), a.attname, \
       format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, to_jsonb(a) -> 'attgenerated', \
       pg_get_expr(d.adbin, d.adrelid), \
       (select format('%I.%I', n.nspname, l.collname) from pg_collation l join pg_namespace n \
          on n.oid = l.collnamespace where l.oid = a.attcollation), \
       a.attstorage, to_jsonb(a) -> 'attcompression', a.attstattarget, a.attislocal, a.attinhcount, \
       a.attacl::text, \
       (select json_agg(o order by o) from unnest(a.attoptions) o where o not like 'pg\\_attver=%'), a.attfdwoptions) \
       from rel c join pg_attribute a on a.attrelid = c.oid \
       left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum \
       where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and a.attnum > 0 and not a.attisdropped",
    "select json_build_array('constraint', ns.nspname, k.conname, k.contype, k.conrelid::regclass::text, \
       k.contypid::regtype::text, pg_get_constraintdef(k.oid), k.convalidated, k.conislocal, k.coninhcount) \
       from pg_constraint k join ns on ns.oid = k.connamespace where k.conrelid not in (select oid from ledger)",
    "select json_build_array('index', c.nspname, c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid, \
       i.indisready, i.indislive, i.indisclustered, i.indisreplident, i.indimmediate, \
       (select t.spcname from pg_tablespace t where t.oid = c.reltablespace), \
       (select json_agg(h.inhparent::regclass::text) from pg_inherits h where h.inhrelid = c.oid)) \
       from pg_index i join rel c on c.oid = i.indexrelid where i.indrelid not in (select oid from ledger)",
    "select json_build_array('function', ns.nspname, p.proname, pg_get_function_identity_arguments(p.oid), p.prokind, \
       pg_get_userbyid(p.proowner), p.proacl::text, \
       case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end, \
       (select json_build_array(g.aggkind, g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, \
          g.aggdeserialfn, g.aggtranstype::regtype::text, g.agginitval, g.aggsortop::regoperator::text) \
          from pg_aggregate g where g.aggfnoid = p.oid)) \
       from pg_proc p join ns on ns.oid = p.pronamespace",
    "select json_build_array('type', ns.nspname, t.typname, t.typtype, pg_get_userbyid(t.typowner), t.typacl::text, \
       t.typnotnull, format_type(t.typbasetype, t.typtypmod), t.typdefault, t.typdelim, t.typlen, t.typinput, \
       t.typoutput, \
       (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), \
       (select r.rngsubtype::regtype::text from pg_range r where r.rngtypid = t.oid)) \
       from pg_type t join ns on ns.oid = t.typnamespace \
       where not exists (select from pg_type e where e.typarray = t.oid) \
       and (t.typrelid = 0 or t.typrelid in (select oid from rel where relkind = 'c'))",
    "select json_build_array('sequence', c.nspname, c.relname, s.seqtypid::regtype::text, s.seqstart, s.seqincrement, \
       s.seqmax, s.seqmin, s.seqcache, s.seqcycle, \
       (select json_agg(json_build_array(a.attrelid::regclass::text, a.attname, d.deptype)) from pg_depend d \
          join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid \
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass \
          and d.deptype in ('a', 'i'))) \
       from pg_sequence s join rel c on c.oid = s.seqrelid",
    "select json_build_array('trigger', c.nspname, c.relname, t.tgenabled, t.tgtype, t.tgfoid::regproc::text, \
       (select k.conname from pg_constraint k where k.oid = t.tgconstraint), \
       case when not t.tgisinternal then pg_get_triggerdef(t.oid) end) \
       from pg_trigger t join rel c on c.oid = t.tgrelid",
    "select json_build_array('rule', c.nspname, c.relname, r.rulename, r.ev_enabled, pg_get_ruledef(r.oid)) \
       from pg_rewrite r join rel c on c.oid = r.ev_class where r.rulename <> '_RETURN'",
    "select json_build_array('policy', c.nspname, c.relname, p.polname, p.polcmd, p.polpermissive, \
       (select json_agg(x.role::regrole::text order by x.role::regrole::text) from unnest(p.polroles) x(role)), \
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) \
       from pg_policy p join rel c on c.oid = p.polrelid",
    "select json_build_array('comment', o.type, o.identity, d.description) \
       from pg_description d cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o \
       where (d.objoid >= 16384 or d.classoid = 'pg_extension'::regclass or d.classoid = 'pg_namespace'::regclass and d.objoid in (select oid from ns)) \
       and d.objoid not in (select oid from ledger)",
    "select json_build_array('label', o.type, o.identity, l.provider, l.label) \
       from pg_seclabel l cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) o \
       where l.objoid not in (select oid from ledger)",
    "select json_build_array('extension', e.extname, e.extversion, n.nspname, pg_get_userbyid(e.extowner)) \
       from pg_extension e join pg_namespace n on n.oid = e.extnamespace",
    "select json_build_array('default rights', pg_get_userbyid(a.defaclrole), \
       (select nspname from ns where oid = a.defaclnamespace), a.defaclobjtype, a.defaclacl::text) from pg_default_acl a",
    "select json_build_array('event trigger', t.evtname, t.evtevent, t.evtfoid::regproc::text, t.evtenabled, \
       t.evttags, pg_get_userbyid(t.evtowner)) from pg_event_trigger t",
    "select json_build_array('published', to_jsonb(t)) from pg_publication_tables t \
       where t.tablename <> '_prisma_migrations'",
    "select json_build_array('foreign data wrapper', to_jsonb(w) - 'oid') from pg_foreign_data_wrapper w",
    "select json_build_array('foreign server', to_jsonb(s) - 'oid') from pg_foreign_server s",
    "select json_build_array('foreign table', f.ftrelid::regclass::text, \
       (select s.srvname from pg_foreign_server s where s.oid = f.ftserver), f.ftoptions) from pg_foreign_table f",
    "select json_build_array('statistics', ns.nspname, s.stxname, pg_get_userbyid(s.stxowner), \
       pg_get_statisticsobjdef(s.oid)) from pg_statistic_ext s join ns on ns.oid = s.stxnamespace",
];
