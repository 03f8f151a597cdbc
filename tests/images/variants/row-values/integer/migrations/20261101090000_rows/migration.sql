ALTER TABLE data.people ALTER COLUMN email TYPE INTEGER USING email::integer;
