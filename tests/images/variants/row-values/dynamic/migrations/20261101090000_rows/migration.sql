DO $$ BEGIN
  EXECUTE format('UPDATE data.people SET age = -1 WHERE email = %L', (SELECT email FROM data.people LIMIT 1));
END $$;
