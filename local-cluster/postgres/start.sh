#!/bin/bash
# The first process of an instance: makes it at the first start, with an archive and a full backup, then serves.
# Its settings for psql and pgbackrest are the pod's, so that `kubectl exec` has them too: see instance.yaml.
set -euo pipefail
mkdir -p /data/socket /data/lock

if [ ! -e /data/made ]; then
  rm -rf "$PGDATA" /backup/*
  # Inside the pod the system's user is the database's; from the network, a password.
  initdb --encoding UTF8 --locale C.UTF-8 --auth-local peer --auth-host scram-sha-256 \
    --username postgres --pwfile <(printf '%s' "$POSTGRES_PASSWORD") >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
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
  pgbackrest stanza-create
  pgbackrest backup --type full
  pg_ctl stop --wait --silent --mode fast
  touch /data/made
fi
exec postgres
