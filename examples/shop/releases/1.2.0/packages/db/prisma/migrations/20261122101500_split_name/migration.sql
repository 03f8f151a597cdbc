-- AlterTable
ALTER TABLE "User" ADD COLUMN "first_name" TEXT;

-- AlterTable
ALTER TABLE "User" ADD COLUMN "last_name" TEXT;

-- Backfill: everything up to the last blank is the first name.
UPDATE "User" SET
    "full_name" = btrim("name"),
    "first_name" = nullif(btrim(regexp_replace(btrim("name"), '\S+$', '')), ''),
    "last_name" = substring(btrim("name") FROM '\S+$');

-- AlterTable
ALTER TABLE "User" ADD CONSTRAINT "User_last_name_check" CHECK ("last_name" IS NULL OR "last_name" <> '');
