DROP INDEX IF EXISTS "User_last_name_idx";
