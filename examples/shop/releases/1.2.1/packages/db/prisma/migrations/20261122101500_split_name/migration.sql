-- The first version of this file failed at its third statement. With an engine that runs a file statement by statement
-- the two columns are there already, so every statement here may meet its own traces.

-- AlterTable
ALTER TABLE "User" ADD COLUMN IF NOT EXISTS "first_name" TEXT;

-- AlterTable
ALTER TABLE "User" ADD COLUMN IF NOT EXISTS "last_name" TEXT;

-- Backfill: everything up to the last blank is the first name.
UPDATE "User" SET
    "first_name" = nullif(btrim(regexp_replace(btrim("name"), '\S+$', '')), ''),
    "last_name" = substring(btrim("name") FROM '\S+$');

-- AlterTable
ALTER TABLE "User" DROP CONSTRAINT IF EXISTS "User_last_name_check";

-- AlterTable
ALTER TABLE "User" ADD CONSTRAINT "User_last_name_check" CHECK ("last_name" IS NULL OR "last_name" <> '');
