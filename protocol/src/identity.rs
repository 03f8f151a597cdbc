//! The identity of what an image holds for one database.

use sha2::{Digest, Sha256};

use crate::DatabaseInventory;
use crate::digest::hex;

/// What the canonical form begins with: another form gets another name.
const FORM: &[u8] = b"dbm-inventory-1";

/// sha256, in lower-case hex, over Prisma's version and over each migration's name, `migration.sql`, `down.sql` and
/// notes. It needs the full texts: computed on a truncated inventory it is another hash, so the agent computes it before
/// it cuts, and everyone else reads it from [`DatabaseInventory::hash`].
#[must_use]
pub fn inventory_hash(inventory: &DatabaseInventory) -> String {
    let mut form = Sha256::new();
    add(&mut form, Some(FORM));
    add(
        &mut form,
        inventory.prisma_version.as_deref().map(str::as_bytes),
    );
    for migration in &inventory.migrations {
        add(&mut form, Some(migration.name.as_bytes()));
        add(&mut form, Some(migration.sha256.as_bytes()));
        for text in [&migration.down_sql, &migration.notes] {
            let digest = text.as_ref().map(|text| Sha256::digest(text.as_bytes()));
            add(&mut form, digest.as_ref().map(AsRef::as_ref));
        }
    }
    hex(&form.finalize())
}

/// Each field with a byte that says whether it is there, and its length, so that no two inventories look the same.
fn add(form: &mut Sha256, field: Option<&[u8]>) {
    match field {
        None => form.update([0]),
        Some(bytes) => {
            form.update([1]);
            form.update((bytes.len() as u64).to_be_bytes());
            form.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Migration;

    fn inventory() -> DatabaseInventory {
        DatabaseInventory {
            database: "identity".into(),
            prisma_version: Some("6.19.3".into()),
            migrations: vec![
                Migration {
                    name: "0_init".into(),
                    sha256: "aa".into(),
                    sql: Some("SELECT 1;".into()),
                    ..Migration::default()
                },
                Migration {
                    name: "20260101000000_b".into(),
                    sha256: "bb".into(),
                    down_sql: Some("DROP TABLE b;".into()),
                    notes: Some("why".into()),
                    ..Migration::default()
                },
            ],
            ..DatabaseInventory::default()
        }
    }

    #[test]
    fn golden() {
        // An upgrade of the operator must not take every image for a new one.
        assert_eq!(
            inventory_hash(&inventory()),
            "db5b383c574daa9b988180b272dec4231f57e834b112ebca3c9fcc6271e5bdb2"
        );
    }

    #[test]
    fn only_what_is_executed_or_read_by_people_counts() {
        let first = inventory_hash(&inventory());
        let mut same = inventory();
        same.database = "tasks".into();
        same.truncated = true;
        same.migrations[0].sql = None;
        same.migrations[0].size = 7;
        assert_eq!(inventory_hash(&same), first);

        let changes: [fn(&mut DatabaseInventory); 8] = [
            |other| other.prisma_version = None,
            |other| other.prisma_version = Some("7.0.0".into()),
            |other| other.migrations[0].name = "0_initial".into(),
            |other| other.migrations[0].sha256 = "ab".into(),
            |other| other.migrations[1].down_sql = None,
            |other| other.migrations[1].notes = Some(String::new()),
            |other| other.migrations.swap(0, 1),
            |other| drop(other.migrations.pop()),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut other = inventory();
            change(&mut other);
            assert_ne!(inventory_hash(&other), first, "change {number}");
        }
    }
}
