ALTER TABLE "Label" ADD COLUMN IF NOT EXISTS "imported_from" TEXT;
DROP INDEX IF EXISTS "Label_name_lower_key";
ALTER TABLE "Label" DROP COLUMN IF EXISTS "archived_at";
