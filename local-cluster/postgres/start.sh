#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# The first process of an instance: makes it at the first start, with an archive and a full backup; then serves, with
# PostgreSQL as its child, and restores when asked to: see restore.sh.
# Its settings for psql and pgbackrest are the pod's, so that `kubectl exec` has them too: see instance.yaml.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=restore.sh
. "$here/restore.sh"
mkdir -p "$PGHOST" /data/lock "$restore"

say() { printf '%s restore: %s\n' "$(date -u '+%F %T')" "$*"; }

make_instance() {
  rm -rf "$PGDATA" /backup/* "${restore:?}"/*
  # Inside the pod the system's user is the database's; from the network, a password.
  # Small segments: archive_timeout makes many that are almost empty, and a restore reads each of them.
  initdb --wal-segsize 4 --encoding UTF8 --locale C.UTF-8 --auth-local peer --auth-host scram-sha-256 \
    --username postgres --pwfile <(printf '%s' "$POSTGRES_PASSWORD") >/dev/null
  cat >>"$PGDATA/pg_hba.conf" <<EOF
host postgres restorer all scram-sha-256
host all restorer all reject
host all all all scram-sha-256
EOF
  cat >>"$PGDATA/postgresql.conf" <<EOF
listen_addresses = '*'
unix_socket_directories = '$PGHOST'
max_connections = 200
password_encryption = scram-sha-256
jit = off
wal_level = replica
archive_mode = on
archive_command = 'pgbackrest archive-push %p'
archive_timeout = 30s
EOF
  pg_ctl start --wait --silent --options "-c listen_addresses=''"
  psql --quiet --set ON_ERROR_STOP=1 --set password="$SHOP_PASSWORD" --set database="$SHOP_DATABASE" <<'EOF'
CREATE ROLE shop LOGIN PASSWORD :'password';
GRANT pg_monitor TO shop;
GRANT EXECUTE ON FUNCTION pg_create_restore_point(text), pg_switch_wal() TO shop;
CREATE DATABASE :"database" OWNER shop;
EOF
  # A function's grants are each database's own.
  psql --quiet --set ON_ERROR_STOP=1 --dbname "$SHOP_DATABASE" \
    --command 'GRANT EXECUTE ON FUNCTION pg_create_restore_point(text), pg_switch_wal() TO shop'
  psql --quiet --set ON_ERROR_STOP=1 --set password="$RESTORER_PASSWORD" --file "$here/restore.sql"
  pgbackrest stanza-create
  pgbackrest backup --type full
  pg_ctl stop --wait --silent --mode fast
  touch /data/made
}

server='' task='' stopping=''

start_server() {
  # While a restore is being finished nobody reads from it.
  postgres -c hot_standby=off &
  server=$!
}

stop_server() {
  kill -INT "$server" 2>/dev/null || true # fast: SIGTERM would wait for every client to leave
  while kill -0 "$server" 2>/dev/null; do wait "$server" || true; done
}

# run COMMAND...: as a child, so that a stopping pod does not wait for it.
run() {
  local code=0
  "$@" &
  task=$!
  wait "$task" || code=$?
  task=''
  [ -z "$stopping" ] || return 1
  return "$code"
}

terminate() {
  stopping=1
  [ -z "$task" ] || kill -INT "$task" 2>/dev/null || true
  [ -z "$server" ] || kill -INT "$server" 2>/dev/null || true
}

[ -e /data/made ] || make_instance
trap terminate TERM INT

# Nothing of an earlier container lives; its lock file may name a process that is another one here.
finish_moves
rm -f "$PGDATA/postmaster.pid" "$PGHOST"/.s.PGSQL.*
start_server
finish_restore

# A pipe that nobody writes to: to wait on it costs no process, as `sleep` would.
exec {never}<> <(:)
while kill -0 "$server" 2>/dev/null; do
  if [ -e $restore/request ] && [ -z "$stopping" ]; then restore_as_asked; fi
  read -r -t 0.3 -u "$never" || true
done
code=0
wait "$server" || code=$?
exit "$code"
