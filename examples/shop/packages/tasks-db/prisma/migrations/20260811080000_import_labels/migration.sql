-- AlterTable
ALTER TABLE "Label" ADD COLUMN "imported_from" TEXT;

-- The labels of the old tracker, as they were written there
INSERT INTO "Label" ("name", "imported_from") VALUES ('bug', 'tracker'), ('wontfix', 'tracker');
