DROP INDEX IF EXISTS "Session_expires_at_idx";
