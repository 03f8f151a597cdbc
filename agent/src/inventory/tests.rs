#![allow(clippy::unwrap_used)]
use super::*;
use tempfile::TempDir;

const SCHEMA: &str = "datasource db {\n  provider = \"postgresql\"\n  url = env(\"DATABASE_URL\")\n  directUrl = env(\"DIRECT_URL\")\n}\n";

struct Image(TempDir);

impl Image {
    fn new() -> Image {
        let image = Image(tempfile::tempdir().unwrap());
        image.file(
            "node_modules/prisma/package.json",
            r#"{"name":"prisma","version":"6.19.3"}"#,
        );
        image.file("prisma/schema.prisma", SCHEMA);
        image.file(
            "prisma/migrations/migration_lock.toml",
            "provider = \"postgresql\"\n",
        );
        image.file(
            "prisma/migrations/20260102000000_b/migration.sql",
            "SELECT 2;\n",
        );
        image.file(
            "prisma/migrations/20260102000000_b/down.sql",
            "SELECT -2;\n",
        );
        image.file("prisma/migrations/20260102000000_b/notes.md", "why\n");
        image.file("prisma/migrations/0_init/migration.sql", "SELECT 1;\r\n");
        image
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.0.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }

    fn read(&self, paths: ProjectPaths) -> Project {
        let surroundings = Surroundings {
            directory: self.0.path().canonicalize().unwrap(),
            ..Surroundings::default()
        };
        read(
            &ProjectPaths {
                database: "identity".into(),
                ..paths
            },
            &surroundings,
        )
    }

    fn problem(&self, paths: ProjectPaths) -> (ProblemReason, String) {
        let inventory = self.read(paths).inventory;
        assert_eq!(inventory.hash, "");
        let problem = inventory.problem.unwrap();
        assert!(
            problem.message.starts_with("database identity: "),
            "{}",
            problem.message
        );
        (problem.reason, problem.message)
    }
}

fn schema(path: &str) -> ProjectPaths {
    ProjectPaths {
        schema: path.into(),
        ..ProjectPaths::default()
    }
}

#[test]
fn reads_a_project() {
    let inventory = Image::new().read(schema("prisma/schema.prisma")).inventory;
    assert_eq!(inventory.problem, None);
    assert_eq!(inventory.prisma_version.as_deref(), Some("6.19.3"));
    assert_eq!(inventory.provider.as_deref(), Some("postgresql"));
    assert_eq!(inventory.url_variable.as_deref(), Some("DATABASE_URL"));
    assert_eq!(inventory.direct_url_variable.as_deref(), Some("DIRECT_URL"));
    assert_eq!(inventory.hash, inventory_hash(&inventory));
    let [init, b] = inventory.migrations.as_slice() else {
        panic!("{:?}", inventory.migrations)
    };
    assert_eq!(
        (init.name.as_str(), init.size, init.other_sha256.len()),
        ("0_init", 11, 1)
    );
    assert_eq!(b.sql.as_deref(), Some("SELECT 2;\n"));
    assert_eq!(b.down_sql.as_deref(), Some("SELECT -2;\n"));
    assert_eq!(b.notes.as_deref(), Some("why\n"));
    assert_eq!(init.down_sql, None);
}

#[test]
fn reads_a_folder_of_schemas() {
    let image = Image::new();
    image.file(
        "prisma/schema/models/a.prisma",
        "model A {\n  id Int @id\n}\n",
    );
    image.file("prisma/schema/main.prisma", SCHEMA);
    let found = image.read(schema("prisma/schema")).inventory;
    assert_eq!(
        (found.problem, found.migrations.len()),
        (None, 2),
        "the folder beside it"
    );
    image.file("prisma/schema/migrations/0_init/migration.sql", "");
    assert_eq!(
        image
            .read(schema("prisma/schema"))
            .inventory
            .migrations
            .len(),
        1,
        "the folder in it"
    );
}

#[test]
fn problems_say_what_to_do() {
    let image = Image::new();
    let (reason, message) = image.problem(schema("db/schema.prisma"));
    assert_eq!(reason, ProblemReason::SchemaMissing);
    assert!(
        message.contains("databases[].prisma.schema")
            && message.contains("there is prisma/schema.prisma"),
        "{message}"
    );

    let (reason, message) = image.problem(ProjectPaths {
        config: "prisma.config.ts".into(),
        ..schema("prisma/schema.prisma")
    });
    assert_eq!(reason, ProblemReason::ConfigMissing);
    assert!(message.contains("databases[].prisma.config"), "{message}");

    let (reason, message) = image.problem(ProjectPaths {
        migrations: "db/m".into(),
        ..schema("prisma/schema.prisma")
    });
    assert_eq!(reason, ProblemReason::MigrationsMissing);
    assert!(
        message.contains("/db/m;") && message.contains("databases[].prisma.migrations"),
        "{message}"
    );

    image.file("prisma/migrations/20260103000000_c/readme.txt", "");
    let (reason, message) = image.problem(schema("prisma/schema.prisma"));
    assert_eq!(reason, ProblemReason::MigrationUnreadable);
    assert!(
        message.contains("20260103000000_c has no migration.sql"),
        "{message}"
    );
    image.remove("prisma/migrations");
    image.file("prisma/migrations/migration_lock.toml", "");
    assert_eq!(
        image.problem(schema("prisma/schema.prisma")).0,
        ProblemReason::MigrationsEmpty
    );
    image.file("prisma/migrations/a\u{1b}b/migration.sql", "");
    let (reason, message) = image.problem(schema("prisma/schema.prisma"));
    assert_eq!(reason, ProblemReason::MigrationNameInvalid);
    assert!(!message.contains('\u{1b}'), "{message}");
}

#[test]
fn only_prisma_that_can_be_understood() {
    let image = Image::new();
    image.file(
        "node_modules/prisma/package.json",
        r#"{"name":"prisma","version":"8.0.0-rc.1"}"#,
    );
    assert_eq!(
        image.problem(schema("prisma/schema.prisma")).0,
        ProblemReason::PrismaUnsupported
    );
    let own = ProjectPaths {
        cli: vec!["pnpm".into(), "prisma".into()],
        ..schema("prisma/schema.prisma")
    };
    assert_eq!(
        image.problem(own.clone()).0,
        ProblemReason::PrismaUnsupported
    );
    image.remove("node_modules");
    assert_eq!(
        image.problem(schema("prisma/schema.prisma")).0,
        ProblemReason::PrismaMissing
    );
    let inventory = image.read(own).inventory;
    assert_eq!((inventory.problem, inventory.prisma_version), (None, None));

    for provider in ["mysql", "cockroachdb", "sqlite", ""] {
        image.file(
            "prisma/schema.prisma",
            &format!("datasource db {{\n  provider = \"{provider}\"\n}}\n"),
        );
        let (reason, message) = image.problem(schema("prisma/schema.prisma"));
        assert_eq!(reason, ProblemReason::ProviderUnsupported);
        assert!(message.contains(&format!("{provider:?}")), "{message}");
    }
    image.file("prisma/schema.prisma", "model A {}\n");
    assert_eq!(
        image.problem(schema("prisma/schema.prisma")).0,
        ProblemReason::ProviderUnsupported
    );
}
