-- AlterTable
ALTER TABLE "Task" ADD COLUMN "number" INTEGER;

-- Backfill: tasks are numbered within their project, oldest first.
UPDATE "Task" SET "number" = "numbered"."number"
FROM (
    SELECT "id", row_number() OVER (PARTITION BY "project_id" ORDER BY "created_at", "id") AS "number"
    FROM "Task"
) AS "numbered"
WHERE "Task"."id" = "numbered"."id";

-- AlterTable
ALTER TABLE "Task" ALTER COLUMN "number" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "Task_project_id_number_key" ON "Task"("project_id", "number");
