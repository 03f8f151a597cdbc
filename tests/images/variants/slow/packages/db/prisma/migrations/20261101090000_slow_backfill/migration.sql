-- AlterTable
ALTER TABLE "User" ADD COLUMN "last_seen_at" TIMESTAMPTZ(3);

-- Stands for a long backfill: time enough to kill something in the middle.
SELECT pg_sleep(8);

-- CreateIndex
CREATE INDEX "User_last_seen_at_idx" ON "User"("last_seen_at");
