//! Prisma Migrate: the meaning of its ledger rows, its checksums and its commands.
