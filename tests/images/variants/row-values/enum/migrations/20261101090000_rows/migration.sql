CREATE TYPE mood AS ENUM ('sad', 'glad');
ALTER TABLE data.people ALTER COLUMN email TYPE mood USING email::mood;
