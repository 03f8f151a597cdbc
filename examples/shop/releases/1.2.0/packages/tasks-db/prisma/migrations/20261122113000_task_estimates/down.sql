ALTER TABLE "Task" DROP COLUMN IF EXISTS "estimate_minutes";
