-- CreateEnum
CREATE TYPE "TaskPriority" AS ENUM ('LOW', 'NORMAL', 'HIGH', 'URGENT');

-- AlterTable
ALTER TABLE "Task" ADD COLUMN "priority" "TaskPriority" NOT NULL DEFAULT 'NORMAL';

-- Partial index: what must be looked at first
CREATE INDEX "Task_urgent_idx" ON "Task"("project_id") WHERE "priority" = 'URGENT' AND "status" = 'OPEN';
