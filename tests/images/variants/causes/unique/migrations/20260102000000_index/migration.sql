CREATE UNIQUE INDEX CONCURRENTLY "Item_name_key" ON "Item" ("name");
