-- AlterTable
ALTER TABLE "Task" ADD COLUMN "due_at" TIMESTAMPTZ(3);

-- Partial index: the reminder looks at unfinished tasks only.
CREATE INDEX "Task_due_at_open_idx" ON "Task"("due_at") WHERE "status" IN ('OPEN', 'IN_PROGRESS');
