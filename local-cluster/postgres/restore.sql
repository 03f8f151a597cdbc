-- What the role `restorer` may do: ask for a restore of this instance, and hear what became of it. Both functions stand
-- in the database `postgres`, and are there after a restore too, because they are older than the first backup.
CREATE ROLE restorer LOGIN PASSWORD :'password' CONNECTION LIMIT 5;

CREATE FUNCTION dbm_request_restore(point text, lsn text, at text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  target text;
  standing text;
BEGIN
  point := coalesce(point, '');
  lsn := coalesce(nullif(lsn, '')::pg_lsn::text, '');
  at := coalesce(to_char(nullif(at, '')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'), '');
  IF point = '' AND lsn = '' AND at = '' THEN
    RAISE 'a restore needs a restore point, an LSN or a time';
  END IF;
  IF point !~ '^[A-Za-z0-9_.:-]{0,63}$' THEN
    RAISE 'not the name of a restore point: %', point;
  END IF;
  IF lsn <> '' AND lsn::pg_lsn > pg_current_wal_lsn() THEN
    RAISE 'LSN % was not written yet: this instance is at %', lsn, pg_current_wal_lsn();
  END IF;
  IF at <> '' AND at::timestamptz >= clock_timestamp() THEN
    RAISE 'time % is not past yet', at;
  END IF;
  target := concat_ws('|', point, lsn, at);
  PERFORM pg_advisory_xact_lock(hashtext('dbm_request_restore'));
  standing := pg_read_file('/data/restore/request', 0, 1000, true);
  IF standing IS NOT NULL THEN
    IF rtrim(substr(standing, strpos(standing, '|') + 1), E'\n') = target THEN
      RETURN split_part(standing, '|', 1); -- asked again by one that lost its answer
    END IF;
    RAISE 'another restore is under way: %', standing;
  END IF;
  target := concat_ws('|', gen_random_uuid(), target);
  EXECUTE format('COPY (SELECT %L) TO PROGRAM %L', target,
    'cat >/data/restore/request.part && sync /data/restore/request.part && mv /data/restore/request.part /data/restore/request');
  RETURN split_part(target, '|', 1);
END $$;

-- NULL while it is under way; else 'ok|...' or 'failed|...'.
CREATE FUNCTION dbm_restore_result(id text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  request text := pg_read_file('/data/restore/request', 0, 1000, true);
  answer text := pg_read_file('/data/restore/result', 0, 10000, true);
BEGIN
  IF split_part(answer, '|', 1) = id THEN
    RETURN rtrim(substr(answer, strpos(answer, '|') + 1), E'\n');
  END IF;
  IF split_part(request, '|', 1) = id THEN
    RETURN NULL;
  END IF;
  RETURN 'failed|this instance knows nothing of the request: it was made anew since, or another restore came after it';
END $$;

REVOKE ALL ON FUNCTION dbm_request_restore(text, text, text), dbm_restore_result(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dbm_request_restore(text, text, text), dbm_restore_result(text) TO restorer;
