-- CreateIndex
CREATE INDEX "User_last_name_idx" ON "User"("last_name");
