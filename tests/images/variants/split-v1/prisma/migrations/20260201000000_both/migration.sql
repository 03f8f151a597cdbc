ALTER TABLE "Item" ADD COLUMN "a" INTEGER;
UPDATE "Item" SET "price" = "price" * 100;
