//! The questions. Each statement gives rows of two texts: what it is, and JSON.
//!
//! They go as simple queries, several in one message; under READ COMMITTED each statement has its own snapshot, taken
//! when it starts, so their order is the order of what they see.

use super::look::Look;
use super::quote::{identifier, literal};
use super::{catalog, objects};
use crate::facts::{LOCAL_SOCKET, OBSERVER};

/// What Prisma locks: `pg_advisory_lock(72707369)`, a bigint, so its halves are classid and objid, and objsubid is 1.
const PRISMA_LOCK: &str = "l.locktype = 'advisory' and l.classid = 0 and l.objid = 72707369 and l.objsubid = 1 \
    and l.database = (select d.oid from pg_database d where d.datname = current_database())";

/// How many tables are named where there is no ledger.
const TABLES_LIMIT: u32 = 5_000;

/// How many of the server's other databases are named.
const OTHERS_LIMIT: u32 = 500;

/// The table's columns that a look reads.
pub(super) const LEDGER_COLUMNS: [&str; 8] = [
    "id",
    "checksum",
    "migration_name",
    "started_at",
    "finished_at",
    "rolled_back_at",
    "applied_steps_count",
    "logs",
];

/// Which of the server's processes answers.
const PROCESS: &str = "select 'process', pg_backend_pid()::text";

/// The lock, the sessions, the server, and whether the ledger is there and may be read.
pub(super) fn first(schema: &str) -> String {
    format!(
        "{PROCESS};\n{};\n{};\n{};\n{};\n{};\n{};\n{};\n{}",
        sessions(),
        ACTIVITY,
        snapshots(),
        TIMEOUTS,
        BUILDING,
        SERVER,
        table(schema),
        lacks(schema)
    )
}

/// The ledger's rows, the lock and the sessions once more, and what else was asked for.
pub(super) fn second(schema: &str, ledger: bool, what: Look, building: &[u32]) -> Option<String> {
    let mut statements = vec![PROCESS.to_owned()];
    if ledger {
        statements.push(rows(schema));
        statements.push(sessions());
    }
    statements.push(invalid_indexes(building));
    statements.push(NOT_VALID.to_owned());
    statements.push(PRISMA_CONTRACT.to_owned());
    if what.others {
        statements.push(others());
    }
    if what.catalog {
        statements.push(catalog::digest(schema));
    }
    if what.objects {
        statements.push(objects::objects(schema));
        statements.push(objects::indexes(schema));
        statements.push(objects::columns(schema));
    }
    Some(statements.join(";\n"))
}

/// Prisma's lock, our sessions, and who waits for whom. A look's own session is none of them: it takes no lock of Prisma's,
/// and lets go of what it reads in a moment. One that bears a look's name and holds Prisma's lock is a pooler's connection, on
/// which somebody's migration left it. Without `pg_monitor` other roles' state and times are null;
/// pid, name, role and every lock are visible to all.
///
/// `waitstart` came with PostgreSQL 14; through JSON it is null before that.
fn sessions() -> String {
    let session = |activity: &str| {
        format!(
            "json_build_object('pid', {activity}.pid, {}, \
             'reads', {activity}.backend_xmin is not null and {activity}.backend_xid is null, \
             'superuser', (select r.rolsuper from pg_roles r where r.oid = {activity}.usesysid), \
             'may_end', {})",
            who(activity),
            may_end(&format!("{activity}.usesysid"))
        )
    };
    format!(
        "select 'lock', {holder}::text from pg_locks l \
           left join pg_stat_activity a on a.pid = l.pid \
           where {PRISMA_LOCK} and l.granted and l.pid is not null and l.pid <> pg_backend_pid() \
           order by l.pid limit 1;\n\
         select 'session', {own}::text from pg_stat_activity a \
           where a.datname = current_database() and a.application_name like 'dbm/%' \
           and a.backend_type is distinct from 'parallel worker' and a.pid <> pg_backend_pid() order by a.pid;\n\
         select 'wait', json_build_object('waiting', w.pid, 'seconds', w.seconds, 'relation', w.relation, 'blocker', {blocker})::text \
           from (select l.pid, \
                   floor(extract(epoch from clock_timestamp() - coalesce( \
                     min((to_jsonb(l) ->> 'waitstart')::timestamptz), min(a.query_start))))::bigint as seconds, \
                   min(case when l.locktype = 'relation' then l.relation::regclass::text end) as relation \
                 from pg_locks l join pg_stat_activity a on a.pid = l.pid \
                 where not l.granted and a.datname = current_database() \
                   and (a.application_name like 'dbm/%' or ({PRISMA_LOCK})) \
                 group by l.pid) w \
           cross join lateral (select distinct pid from unnest(pg_blocking_pids(w.pid)) as pid) b \
           left join pg_stat_activity s on s.pid = b.pid \
           where b.pid <> pg_backend_pid() and (s.application_name is distinct from '{OBSERVER}' \
             or exists (select from pg_locks l where {PRISMA_LOCK} and l.granted and l.pid = b.pid)) \
           order by w.pid, b.pid",
        holder = session("a").replace("'pid', a.pid", "'pid', l.pid"),
        own = session("a"),
        blocker = session("s").replace("'pid', s.pid", "'pid', b.pid"),
    )
}

/// Whether our role may end a session of that role: a superuser's only a superuser may.
fn may_end(role: &str) -> String {
    format!(
        "(select case when r.rolsuper then m.rolsuper \
           else pg_has_role(r.oid, 'USAGE') or pg_has_role('pg_signal_backend', 'USAGE') end \
         from pg_roles r, pg_roles m where r.oid = {role} and m.rolname = current_user)"
    )
}

/// What is told of a session, but for its pid, as pairs of JSON.
fn who(activity: &str) -> String {
    format!(
        "'application_name', coalesce({activity}.application_name, ''), 'user', {activity}.usename, \
         'state', {activity}.state, \
         'state_seconds', floor(extract(epoch from clock_timestamp() - {activity}.state_change))::bigint, \
         'transaction_seconds', floor(extract(epoch from clock_timestamp() - {activity}.xact_start))::bigint, \
         'transaction_since', {activity}.xact_start, \
         'client', case when {activity}.client_port = -1 then '{LOCAL_SOCKET}' else host({activity}.client_addr) end"
    )
}

/// The relations that are locked so that not even their definition can be read, and by whom; who waits for such a lock
/// keeps readers waiting, too.
pub(super) fn locked() -> String {
    format!(
        "select 'locked', json_build_object('relation', l.relation::regclass::text, 'pid', l.pid, {}, \
             'superuser', (select r.rolsuper from pg_roles r where r.oid = a.usesysid), 'may_end', {})::text \
         from pg_locks l left join pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.relation >= 16384 \
           and l.database = (select d.oid from pg_database d where d.datname = current_database()) \
         order by l.granted desc, a.xact_start, (select c.relkind from pg_class c where c.oid = l.relation) desc, \
           l.relation limit 1",
        who("a"),
        may_end("a.usesysid")
    )
}

/// Sessions that keep a snapshot for longer than a statement should take. Of other roles' sessions that is visible to
/// `pg_monitor` only.
fn snapshots() -> String {
    format!(
        "select 'snapshot', json_build_object('pid', a.pid, {})::text \
         from pg_stat_activity a where a.datname = current_database() and a.pid <> pg_backend_pid() \
           and a.backend_type = 'client backend' and a.backend_xmin is not null \
           and a.xact_start < clock_timestamp() - interval '2 s' and a.application_name not like 'dbm/%' \
         order by a.xact_start, a.pid limit 5",
        who("a")
    )
}

/// What our sessions do, and how far a statement is that has a progress view (on PostgreSQL 13 a COPY has none). Of an index a phase
/// counts in lockers, blocks or tuples; what it does not count is 0.
const ACTIVITY: &str = "select 'activity', json_build_object('pid', a.pid, 'state', a.state, \
       'seconds', floor(extract(epoch from clock_timestamp() - a.state_change))::bigint, \
       'wait_type', a.wait_event_type, 'progress', p.progress)::text \
    from pg_stat_activity a left join lateral ( \
      select json_build_object('command', i.command, 'phase', i.phase, \
          'done', case when i.phase like 'waiting for %' then i.lockers_done when i.blocks_total > 0 then i.blocks_done else i.tuples_done end, \
          'total', case when i.phase like 'waiting for %' then i.lockers_total when i.blocks_total > 0 then i.blocks_total else i.tuples_total end, \
          'unit', case when i.phase like 'waiting for %' then 'sessions' when i.blocks_total > 0 then 'blocks' else 'tuples' end) as progress \
        from pg_stat_progress_create_index i where i.pid = a.pid and i.phase is not null \
      union all \
      select json_build_object('command', c.command, 'phase', c.phase, 'done', c.heap_blks_scanned, 'total', c.heap_blks_total, 'unit', 'blocks') \
        from pg_stat_progress_cluster c where c.pid = a.pid and c.phase is not null \
      limit 1) p on true \
    where a.datname = current_database() and a.application_name like 'dbm/%' \
      and a.backend_type is distinct from 'parallel worker' and a.pid <> pg_backend_pid() order by a.pid limit 10";

/// The time-outs that are set for our role, in this database or in all, or for this database: the one that is nearer
/// counts. They hold for a session that does not say otherwise, as ours do. 0 is none.
const TIMEOUTS: &str = "select 'timeout', json_build_object('name', t.name, 'value', t.value, 'set_by', t.set_by)::text \
    from (select distinct on (split_part(c.setting, '=', 1)) split_part(c.setting, '=', 1) as name, \
        substr(c.setting, strpos(c.setting, '=') + 1) as value, \
        case when s.setrole <> 0 then format('ALTER ROLE %I', session_user) \
            || case when s.setdatabase <> 0 then format(' IN DATABASE %I', current_database()) else '' end \
          when s.setdatabase <> 0 then format('ALTER DATABASE %I', current_database()) else 'ALTER ROLE ALL' end as set_by \
      from pg_db_role_setting s cross join lateral unnest(s.setconfig) as c(setting) \
      where s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database())) \
        and s.setrole in (0, (select r.oid from pg_roles r where r.rolname = session_user)) \
        and split_part(c.setting, '=', 1) in ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'default_transaction_read_only') \
      order by split_part(c.setting, '=', 1), s.setrole = 0, s.setdatabase = 0) t \
    where t.value !~ '^0+[a-z ]*$' order by t.name";

/// The tables on which a session builds an index now. The view hides the table of another role's build, but no lock:
/// a build holds more than a reader's lock on its table.
const BUILDING: &str = "select distinct 'building', l.relation::text from pg_stat_progress_create_index p \
    join pg_locks l on l.pid = p.pid and l.locktype = 'relation' and l.granted \
      and l.database = p.datid and l.mode <> 'AccessShareLock' \
    where p.datname = current_database()";

/// Who we talk to. A role without the right to `pg_control_system` gets an empty identifier.
const SERVER: &str = "select 'server', json_build_object( \
    'system_identifier', case when has_function_privilege('pg_control_system()', 'EXECUTE') \
       then (select c.system_identifier::text from pg_control_system() c) else '' end, \
    'database_oid', d.oid::bigint, 'database', d.datname, \
    'version', current_setting('server_version_num')::int, \
    'commits', coalesce((select s.xact_commit from pg_stat_database s where s.datid = d.oid), 0), \
    'role', format('%I', current_user), 'standby', pg_is_in_recovery(), \
    'sees_activity', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'))::text \
    from pg_database d where d.datname = current_database()";

/// Whether the ledger is there, and whether we may read it. `pg_class` shows it even where the role has no right at
/// all; information_schema would hide it. Where it is not there, the tables among which Prisma counts before it makes it
/// (P3005): relkind `r`, which are also partitions and members of extensions, in whatever schema.
fn table(schema: &str) -> String {
    let schema = literal(schema);
    let columns: Vec<String> = LEDGER_COLUMNS
        .iter()
        .map(|column| literal(column))
        .collect();
    let columns = columns.join(", ");
    format!(
        "select 'table', json_build_object( \
           'kind', c.relkind, \
           'missing', (select coalesce(json_agg(wanted order by wanted), '[]') from unnest(array[{columns}]) wanted \
              where not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = wanted \
                and not a.attisdropped)), \
           'usage', has_schema_privilege(n.oid, 'USAGE'), \
           'select', has_table_privilege(c.oid, 'SELECT') or (select bool_and(has_column_privilege(c.oid, a.attnum, \
              'SELECT')) from pg_attribute a where a.attrelid = c.oid and a.attname = any (array[{columns}]) \
              and not a.attisdropped), \
           'grant_usage', format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user), \
           'grant_select', format('GRANT SELECT ON TABLE %I.%I TO %I;', n.nspname, c.relname, current_user))::text \
           from pg_class c join pg_namespace n on n.oid = c.relnamespace \
           where n.nspname = {schema} and c.relname = '_prisma_migrations' and c.relkind in ('r', 'p', 'v', 'm', 'f');\n\
         select 'ordinary table', json_build_array(c.nspname, c.relname)::text from (select n.nspname, c.relname \
           from pg_class c join pg_namespace n on n.oid = c.relnamespace \
           where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
           and not exists (select from pg_class l \
             join pg_namespace o on o.oid = l.relnamespace where o.nspname = {schema} \
             and l.relname = '_prisma_migrations' and l.relkind in ('r', 'p', 'v', 'm', 'f')) \
           order by n.nspname <> {schema}, n.nspname, c.relname limit {TABLES_LIMIT}) c"
    )
}

/// The right without which Prisma cannot begin, as the statement that gives it: to write to its ledger, or to make that,
/// or the schema. A right on single columns is taken for enough.
fn lacks(schema: &str) -> String {
    let may = |right: &str| {
        format!(
            "(has_table_privilege(c.oid, '{right}') or has_any_column_privilege(c.oid, '{right}'))"
        )
    };
    format!(
        "select 'lacks', l.statement from (select case \
           when c.oid is not null then case when {insert} and {update} then null \
             else format('GRANT INSERT, UPDATE ON TABLE %I.%I TO %I;', n.nspname, c.relname, current_user) end \
           when n.oid is not null then case when has_schema_privilege(n.oid, 'USAGE') \
               and has_schema_privilege(n.oid, 'CREATE') then null \
             else format('GRANT USAGE, CREATE ON SCHEMA %I TO %I;', n.nspname, current_user) end \
           when has_database_privilege(current_database(), 'CREATE') then null \
           else format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user) end as statement \
         from (select {schema}::text as name) s left join pg_namespace n on n.nspname = s.name \
           left join pg_class c on c.relnamespace = n.oid and c.relname = '_prisma_migrations' \
             and c.relkind in ('r', 'p', 'v', 'm', 'f')) l where l.statement is not null",
        insert = may("INSERT"),
        update = may("UPDATE"),
        schema = literal(schema),
    )
}

fn rows(schema: &str) -> String {
    format!(
        // Longer than Prisma makes them, whatever the table allows.
        "select 'row', json_build_object('id', left(m.id::text, 100), 'checksum', left(m.checksum, 256), 'migration_name', \
           left(m.migration_name, 1024), 'started_at', m.started_at::timestamptz, 'finished_at', m.finished_at::timestamptz, \
           'rolled_back_at', m.rolled_back_at::timestamptz, 'applied_steps_count', m.applied_steps_count, \
           'logs', left(m.logs, 4096))::text \
           from {}._prisma_migrations m order by m.started_at, m.id::text collate \"C\"",
        identifier(schema)
    )
}

/// Indexes that a cancelled or failed concurrent build left behind. Those whose table was under a build before
/// (`building`) or is now are left out. So are indexes of partitioned tables: they hold nothing themselves and stay
/// invalid, lawfully, until every partition has its own.
fn invalid_indexes(building: &[u32]) -> String {
    let before: Vec<String> = building.iter().map(u32::to_string).collect();
    format!(
        "select 'invalid', format('%I.%I', n.nspname, c.relname) from pg_index i \
           join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace \
           where not i.indisvalid and c.relkind = 'i' and n.nspname !~ '^pg_' \
           and i.indrelid <> all (array[{}]::oid[]) \
           and i.indrelid::text not in (select b.relation from ({BUILDING}) b(kind, relation)) \
           order by 2",
        before.join(", ")
    )
}

/// The other databases of the server. Their names go in hexadecimal digits: each is in the encoding of the database from which it
/// was created, and one that is not valid in this one's must not fail the look.
fn others() -> String {
    let which = "from pg_database d where d.datallowconn and not d.datistemplate and d.datname <> current_database()";
    format!(
        "select 'others', count(*)::text {which};\n\
         select 'other', json_build_array(d.oid::bigint, \
           encode(decode(replace(d.datname::text, '\\', '\\\\'), 'escape'), 'hex'))::text {which} \
           order by d.datname limit {OTHERS_LIMIT}"
    )
}

/// Where Prisma 8 keeps its ledger (`marker`, `ledger`, `contract`). A schema that is merely called so holds no ledger.
const PRISMA_CONTRACT: &str = "select 'prisma 8', n.nspname::text from pg_namespace n where n.nspname = 'prisma_contract' \
    and exists (select from pg_class c where c.relnamespace = n.oid and c.relname in ('marker', 'ledger', 'contract') \
      and c.relkind in ('r', 'p', 'v', 'm', 'f'))";

/// Constraints that were added with NOT VALID and never validated. From PostgreSQL 18 on one that is not enforced is
/// never valid, lawfully; through JSON the column that says so is null before that.
const NOT_VALID: &str = "select 'not valid', format('%I.%I.%I', n.nspname, c.relname, k.conname) \
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
    where not k.convalidated and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true) \
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 2";
