# shellcheck shell=bash
# Restoring an instance, as a careful DBA would: beside the running one, which is replaced only after the recovery
# reached its target. When it does not, nothing has happened to anybody. Read by start.sh.
#
#   request       ID|POINT|LSN|TIME, written by dbm_request_restore of restore.sql; stands until `result` does
#   result        ID|ok or failed|what happened
#   pg, log       the restored instance; what pgBackRest and PostgreSQL said while it was made
#   moving        the request, while the directories change places and until the restored one serves. Each move is
#                 one rename, so that whoever is killed between them leaves a state that finish_moves knows
#   moving-back   the same, when the restored one does not serve: the one before returns
#
# The instance before the last restore stays in /data/before-restore.

restore=/data/restore
before=/data/before-restore
why='' reached='' segment=''

ask() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$@"; }

# result ok|failed WHAT: the answer, in one step.
result() {
  say "$1: $2"
  printf '%s|%s|%s\n' "$id" "$1" "${2//$'\n'/ }" >$restore/result.part
  sync $restore/result.part
  mv $restore/result.part $restore/result
  rm -f $restore/request $restore/moving $restore/moving-back
}

read_request() { IFS='|' read -r id point lsn at <"$1" || true; }

is_archived() { # SEGMENT; names are hexadecimal and grow, across timelines too
  [ "$(ask --set segment="$1" <<<"SELECT coalesce(last_archived_wal, '') COLLATE \"C\" >= :'segment' FROM pg_stat_archiver")" = t ]
}

# Everything written until now goes to the archive, with a commit after it: a time is reached only when one later is seen.
archive_all() {
  local end=$((SECONDS + 60))
  ask --output /dev/null --command 'SELECT pg_current_xact_id()' &&
    segment=$(ask --command 'SELECT pg_walfile_name(pg_switch_wal())') || return 1
  until is_archived "$segment"; do
    if [ $SECONDS -ge $end ] || [ -n "$stopping" ]; then return 1; fi
    sleep 0.05
  done
}

# Backups of this timeline's past that ended before the target, newest first. With a name alone that is not known, so all
# are tried.
backups() {
  local info
  info=$(pgbackrest info --output json) || return 1
  ask --set info="$info" --set lsn="$lsn" --set at="$at" --set timeline="${segment:0:8}" <<'SQL'
WITH past AS (
  SELECT lpad(upper(to_hex(part[1]::int)), 8, '0') AS timeline, part[2]::pg_lsn AS until
  FROM regexp_matches(coalesce(pg_read_file(format('pg_wal/%s.history', :'timeline'), 0, 1000000, true), ''),
    '^(\d+)\t(\S+)', 'gn') AS part
  UNION ALL SELECT :'timeline', 'FFFFFFFF/FFFFFFFF'
)
SELECT backup->>'label' FROM json_array_elements(:'info'::json->0->'backup') AS backup
JOIN past ON past.timeline = left(backup->'archive'->>'start', 8) AND (backup->'lsn'->>'stop')::pg_lsn <= past.until
WHERE NOT coalesce((backup->>'error')::boolean, false)
  AND coalesce((backup->'lsn'->>'stop')::pg_lsn <= nullif(:'lsn', '')::pg_lsn, true)
  AND coalesce(to_timestamp((backup->'timestamp'->>'stop')::int) <= nullif(:'at', '')::timestamptz, true)
ORDER BY backup->'timestamp'->>'stop' DESC
SQL
}

# recover BACKUP TARGET-OPTION...: restores it beside the running instance and plays the WAL to the target, then stops.
recover() {
  local backup=$1
  shift
  rm -rf $restore/pg
  mkdir -m 700 $restore/pg
  if ! run pgbackrest restore --process-max 2 --pg1-path $restore/pg --set "$backup" "$@" --target-timeline "$timeline" \
    --target-action promote --recovery-option "restore_command=pgbackrest archive-get %f \"%p\"" >>$restore/log 2>&1; then
    why="pgbackrest: $(tail -n 1 $restore/log)"
    return 1
  fi
  # It archives nothing, and is not reached over the network.
  if ! PGBACKREST_PG1_PATH=$restore/pg run postgres -D $restore/pg -c recovery_target_action=shutdown \
    -c hot_standby=off -c archive_mode=off -c listen_addresses='' -c unix_socket_directories=$restore >>$restore/log 2>&1; then
    why=$(sed -n 's/.*FATAL: *//p' $restore/log | tail -n 1)
    if [ "$why" = "recovery ended before configured recovery target was reached" ]; then
      why="no ${point:+restore point }${point:-$lsn$at} in the WAL from backup $backup until now, on timeline $timeline"
    fi
    return 1
  fi
  reached=$(sed -n 's/.*LOG: *recovery stopping/recovery stopped/p' $restore/log | tail -n 1)
  why="PostgreSQL stopped before the target"
  [ -n "$reached" ]
}

prepare() {
  local list backup target=()
  : >$restore/log
  why="the WAL up to now does not reach the archive, see pg_stat_archiver"
  archive_all || return 1
  timeline=$((16#${segment:0:8}))
  if [ -n "$point" ]; then
    target=(--type name --target "$point")
  elif [ -n "$lsn" ]; then
    target=(--type lsn --target "$lsn" --target-exclusive) # the LSN of a restore point is where the next record begins
  else
    target=(--type time --target "$at")
  fi
  why="no backup ended before the target, see pgbackrest info"
  list=$(backups) || return 1
  for backup in $list; do
    say "backup $backup, ${target[*]}, timeline $timeline"
    if recover "$backup" "${target[@]}"; then return 0; fi
    [ -z "$stopping" ] || return 1
    say "not with backup $backup: $why"
  done
  return 1
}

# Finishes the moves that were begun; the server is not running.
finish_moves() {
  if [ -e $restore/moving-back ]; then
    if [ -e $before ]; then
      rm -rf $restore/pg
      if [ -e "$PGDATA" ]; then mv -T "$PGDATA" $restore/pg; fi
      mv -T $before "$PGDATA"
    fi
  elif [ -e $restore/moving ] && [ -e $restore/pg ]; then
    if [ -e "$PGDATA" ]; then mv -T "$PGDATA" $before; fi
    mv -T $restore/pg "$PGDATA"
  fi
}

serves() {
  until pg_isready --quiet; do
    kill -0 "$server" 2>/dev/null || return 1
    sleep 0.1
  done
}

# The second half of a restore, also after a restart of the pod: from the moved directories to the answer.
finish_restore() {
  local note=''
  if [ -e $restore/moving ]; then
    read_request $restore/moving
    if serves; then
      archive_all || note="; but WAL does not reach the archive, see pg_stat_archiver"
      [ -z "$stopping" ] || return 0
      result ok "${reached:-recovery stopped at the target}; timeline $((16#${segment:0:8})); the state before is kept in $before of the pod$note"
      return
    fi
    [ -z "$stopping" ] || return 0
    why="the restored instance does not serve, see the pod's log; the one before is back"
    mv $restore/moving $restore/moving-back
    finish_moves
    rm -f "$PGDATA/postmaster.pid"
    start_server
  fi
  if [ -e $restore/moving-back ]; then
    read_request $restore/moving-back
    if serves; then result failed "${why:-the restored instance did not serve; the one before is back}"; fi
  fi
}

restore_as_asked() {
  read_request $restore/request
  if [ "$(cut -d '|' -f 1 $restore/result 2>/dev/null)" = "$id" ]; then # answered, and killed right then
    rm $restore/request
    return 0
  fi
  serves || return 0 # right after a start it may still be recovering from a kill
  reached=''
  say "asked for: point '$point', LSN '$lsn', time '$at'"
  if ! prepare; then
    # A stopping pod leaves the request; the next start takes it up again.
    [ -n "$stopping" ] || result failed "$why; nothing was changed"
    rm -rf $restore/pg
    return 0
  fi
  say "$reached"
  rm -rf $before
  cp $restore/request $restore/moving.part
  sync $restore/moving.part
  mv $restore/moving.part $restore/moving
  stop_server
  finish_moves
  start_server
  finish_restore
}
