-- AlterTable
ALTER TABLE "Session" ADD COLUMN "size_bytes" BIGINT NOT NULL DEFAULT 0;
