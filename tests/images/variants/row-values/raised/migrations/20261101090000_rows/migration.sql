DO $$ BEGIN
  RAISE EXCEPTION 'the address % is of nobody', (SELECT email FROM data.people LIMIT 1);
END $$;
