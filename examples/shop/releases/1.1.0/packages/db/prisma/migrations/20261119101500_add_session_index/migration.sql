-- CreateIndex
CREATE INDEX "Session_expires_at_idx" ON "Session"("expires_at");
