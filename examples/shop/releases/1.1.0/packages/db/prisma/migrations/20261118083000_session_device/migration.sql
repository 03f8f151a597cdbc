-- AlterTable
ALTER TABLE "Session" ADD COLUMN "device" TEXT;

-- Backfill
UPDATE "Session" SET "device" = 'unknown' WHERE "device" IS NULL;

-- AlterTable
ALTER TABLE "Session" ALTER COLUMN "device" SET DEFAULT 'unknown', ALTER COLUMN "device" SET NOT NULL;
