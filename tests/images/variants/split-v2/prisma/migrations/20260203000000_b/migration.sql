UPDATE "Item" SET "price" = "price" * 100;
