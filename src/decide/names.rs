//! Names that are derived, so that the same intent has the same name after a restart.

use crate::api::{DatabaseMigrationSpec, DatabaseSpec, StepKind, digest};
use crate::facts::DatabaseIdentity;

/// `<name, 30>-<database, 20>-<8 hex of uid, run, database, step, attempt>`, a DNS label of at most 63 characters.
pub fn job_name(
    resource: &str,
    uid: &str,
    run: &str,
    database: &str,
    step: StepKind,
    attempt: u32,
) -> String {
    let middle = if database.is_empty() {
        step.as_str()
    } else {
        database
    };
    let hash = digest(format!("{uid}\0{run}\0{database}\0{}\0{attempt}", step.as_str()).as_bytes());
    format!("{}-{}-{}", clip(resource, 30), clip(middle, 20), &hash[..8])
}

/// The first bytes of a DNS label, still one.
fn clip(label: &str, limit: usize) -> &str {
    label.get(..limit).unwrap_or(label).trim_end_matches('-')
}

/// The Lease by which runs on one database take turns. Equal for physical clones, which costs them a turn and nothing
/// else.
pub fn lease_name(identity: &DatabaseIdentity) -> String {
    let hash = digest(
        format!(
            "{}\0{}\0{}",
            identity.system_identifier, identity.database_oid, identity.database
        )
        .as_bytes(),
    );
    format!("dbm-{}", &hash[..24])
}

/// Under which key the inventory of one database of an image is found again.
pub fn inventory_key(spec: &DatabaseMigrationSpec, database: &DatabaseSpec) -> String {
    let prisma = &database.prisma;
    let parts = serde_json::json!([
        spec.image,
        spec.job.working_dir,
        prisma.schema,
        prisma.migrations,
        prisma.config,
        prisma.cli,
        // What Prisma would read does not matter to a command of the user's own.
        !prisma.migrate.is_empty(),
    ]);
    digest(parts.to_string().as_bytes())[..32].to_owned()
}

/// `r<counter>-<first 8 characters of the uid>`, counting on from `previous`.
pub fn run_id(previous: Option<&str>, uid: &str) -> String {
    let last: u64 = previous
        .and_then(|id| id.strip_prefix('r'))
        .and_then(|id| id.split_once('-'))
        .and_then(|(counter, _)| counter.parse().ok())
        .unwrap_or(0);
    format!("r{}-{}", last + 1, uid.get(..8).unwrap_or(uid))
}

/// An image named by its digest always holds the same.
pub fn is_pinned(image: &str) -> bool {
    image.contains("@sha256:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_names_are_labels_and_tell_every_part_apart() {
        let long = "a".repeat(63);
        let name = job_name(&long, "u", "r1-u", &"b".repeat(30), StepKind::Migrate, 1);
        assert_eq!(name.len(), 30 + 1 + 20 + 1 + 8);
        let base = job_name("shop", "u", "r1-u", "identity", StepKind::Migrate, 1);
        for other in [
            job_name("shop", "v", "r1-u", "identity", StepKind::Migrate, 1),
            job_name("shop", "u", "r2-u", "identity", StepKind::Migrate, 1),
            job_name("shop", "u", "r1-u", "tasks", StepKind::Migrate, 1),
            job_name("shop", "u", "r1-u", "identity", StepKind::Resolve, 1),
            job_name("shop", "u", "r1-u", "identity", StepKind::Migrate, 2),
        ] {
            assert_ne!(base, other);
        }
        assert!(
            job_name("shop", "u", "r1-u", "", StepKind::Inventory, 1)
                .starts_with("shop-inventory-")
        );
    }

    #[test]
    fn runs_count_on() {
        assert_eq!(run_id(None, "5e1c0a9b-1234"), "r1-5e1c0a9b");
        assert_eq!(run_id(Some("r9-5e1c0a9b"), "5e1c0a9b-1234"), "r10-5e1c0a9b");
    }
}
