-- AlterTable
ALTER TABLE "Task" ADD COLUMN "estimate_minutes" INTEGER;

-- AlterTable
ALTER TABLE "Task" ADD CONSTRAINT "Task_estimate_minutes_check" CHECK ("estimate_minutes" > 0);
