-- The first version of this file failed at its second statement, on the imported label "bug" beside "Bug".

-- AlterTable
ALTER TABLE "Label" ADD COLUMN IF NOT EXISTS "archived_at" TIMESTAMPTZ(3);

-- Tasks keep the oldest label of those that differ in case only.
INSERT INTO "TaskLabel" ("task_id", "label_id")
SELECT "TaskLabel"."task_id", "kept"."id"
FROM "TaskLabel"
JOIN "Label" AS "dropped" ON "dropped"."id" = "TaskLabel"."label_id"
JOIN (SELECT min("id") AS "id", lower("name") AS "name" FROM "Label" GROUP BY lower("name")) AS "kept"
    ON "kept"."name" = lower("dropped"."name")
ON CONFLICT DO NOTHING;

DELETE FROM "Label"
WHERE "id" NOT IN (SELECT min("id") FROM "Label" GROUP BY lower("name"));

-- CreateIndex
CREATE UNIQUE INDEX IF NOT EXISTS "Label_name_lower_key" ON "Label"(lower("name"));

-- AlterTable
ALTER TABLE "Label" DROP COLUMN IF EXISTS "imported_from";
