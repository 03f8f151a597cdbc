-- AlterTable
ALTER TABLE "User" ADD COLUMN "email_normalized" TEXT;

-- Backfill
UPDATE "User" SET "email_normalized" = lower(btrim("email")) WHERE "email_normalized" IS NULL;

-- AlterTable
ALTER TABLE "User" ALTER COLUMN "email_normalized" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "User_email_normalized_key" ON "User"("email_normalized");
