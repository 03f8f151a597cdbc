DO $$ BEGIN
  RAISE EXCEPTION '%', (SELECT email FROM data.people LIMIT 1)
    USING HINT = (SELECT email FROM data.people LIMIT 1), DETAIL = (SELECT email FROM data.people LIMIT 1);
END $$;
