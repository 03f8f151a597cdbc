-- AlterTable
ALTER TABLE "Label" ADD COLUMN "archived_at" TIMESTAMPTZ(3);

-- CreateIndex
CREATE UNIQUE INDEX "Label_name_lower_key" ON "Label"(lower("name"));

-- AlterTable
ALTER TABLE "Label" DROP COLUMN "imported_from";
