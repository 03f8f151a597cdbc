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

    fn bytes(&self, path: &str, content: &[u8]) {
        self.file(path, "");
        fs::write(self.0.path().join(path), content).unwrap();
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
            None,
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
    let (reason, message) = image.problem(schema("prisma/schema"));
    assert_eq!(reason, ProblemReason::MigrationsMissing);
    assert!(
        message.contains(
            "Prisma looks for prisma/schema/migrations; there is prisma/migrations: move it, or set migrations.path in prisma.config.ts"
        ),
        "{message}"
    );
    image.file("prisma/schema/migrations/0_init/migration.sql", "");
    let inside = image.read(schema("prisma/schema")).inventory;
    assert_eq!((inside.problem, inside.migrations.len()), (None, 1));

    image.file(
        "node_modules/prisma/package.json",
        r#"{"name":"prisma","version":"5.22.0"}"#,
    );
    let (reason, message) = image.problem(schema("prisma/schema"));
    assert_eq!(reason, ProblemReason::SchemaMissing);
    assert!(message.contains("prismaSchemaFolder"), "{message}");
    image.file(
        "prisma/schema/main.prisma",
        &format!("generator a {{\n previewFeatures = [\"prismaSchemaFolder\"]\n}}\n{SCHEMA}"),
    );
    let found = image.read(schema("prisma/schema")).inventory;
    assert_eq!(
        (found.problem, found.migrations.len()),
        (None, 2),
        "up to 6.5 beside the folder"
    );
}

/// What is planned is what runs: a folder that Prisma would not read is not read here either.
#[test]
fn another_folder_than_prismas_is_refused() {
    let image = Image::new();
    image.file("prisma/item/0_init/migration.sql", "SELECT 1;");
    let paths = |own_command| ProjectPaths {
        migrations: "prisma/item".into(),
        own_command,
        ..schema("prisma/schema.prisma")
    };
    let (reason, message) = image.problem(paths(false));
    assert_eq!(reason, ProblemReason::MigrationsElsewhere);
    assert!(
        message.contains(
            "Prisma would read prisma/migrations, not prisma.migrations (prisma/item): name the folder in prisma.config.ts (migrations.path)"
        ),
        "{message}"
    );
    let own = image.read(paths(true)).inventory;
    assert_eq!((own.problem, own.migrations.len()), (None, 1));
    let same = image.read(ProjectPaths {
        migrations: "./prisma/../prisma/migrations/".into(),
        ..schema("prisma/schema.prisma")
    });
    assert_eq!(same.inventory.migrations.len(), 2);
}

#[test]
fn a_migration_that_prisma_cannot_read_is_no_problem_of_the_image() {
    let image = Image::new();
    image.file("prisma/migrations/20260103000000_c/readme.txt", "");
    image.bytes(
        "prisma/migrations/20260104000000_d/migration.sql",
        b"-- \xe9\n",
    );
    image.bytes(
        "prisma/migrations/20260105000000_e/migration.sql",
        b"\xff\xfeS\0E\0",
    );
    let read = |version: &str| {
        image.file(
            "node_modules/prisma/package.json",
            &format!(r#"{{"name":"prisma","version":"{version}"}}"#),
        );
        let inventory = image.read(schema("prisma/schema.prisma")).inventory;
        assert_eq!(inventory.problem, None);
        let why = |n: usize| {
            inventory.migrations[n]
                .unreadable
                .clone()
                .unwrap_or_default()
        };
        (why(2), why(3), why(4), inventory)
    };
    let (missing, latin1, utf16, inventory) = read("6.19.3");
    assert_eq!(missing, "has no migration.sql");
    assert_eq!(latin1, "");
    assert!(utf16.contains("NUL at byte 3"), "{utf16}");
    let mut digest = digest::Digests::default();
    digest.update("-- \u{fffd}\n".as_bytes());
    assert_eq!(inventory.migrations[3].sha256, digest.finish().0);
    assert_eq!(inventory.migrations[2].sha256, "");
    assert!(read("5.22.0").1.contains("not UTF-8 at byte 3"));
}

#[test]
fn prisma_7_needs_a_configuration() {
    let image = Image::new();
    image.file(
        "node_modules/prisma/package.json",
        r#"{"name":"prisma","version":"7.8.0"}"#,
    );
    let (reason, message) = image.problem(schema("prisma/schema.prisma"));
    assert_eq!(reason, ProblemReason::ConfigMissing);
    assert!(
        message.contains("copy prisma.config.ts into the image"),
        "{message}"
    );
    image.file("packages/db/prisma/schema.prisma", SCHEMA);
    image.file("packages/db/prisma.config.ts", "export default {}");
    let (_, message) = image.problem(schema("packages/db/prisma/schema.prisma"));
    assert!(
        message
            .contains("there is packages/db/prisma.config.ts: set databases[].prisma.config to it"),
        "{message}"
    );
    let own = image.read(ProjectPaths {
        own_command: true,
        ..schema("prisma/schema.prisma")
    });
    assert_eq!(own.inventory.problem, None);
}

#[test]
fn a_lock_file_of_another_provider() {
    let image = Image::new();
    image.file(
        "prisma/migrations/migration_lock.toml",
        "provider = \"sqlite\"\n",
    );
    let (reason, message) = image.problem(schema("prisma/schema.prisma"));
    assert_eq!(reason, ProblemReason::ProviderUnsupported);
    assert!(
        message
            .contains("prisma/migrations/migration_lock.toml says sqlite, the schema postgresql"),
        "{message}"
    );
}

/// Without node, or without Prisma's own loader, a configuration cannot be asked.
#[test]
fn a_configuration_that_cannot_be_asked() {
    let image = Image::new();
    image.file("prisma.config.ts", "export default {}");
    let (reason, message) = image.problem(schema("prisma/schema.prisma"));
    assert_eq!(reason, ProblemReason::ConfigInvalid);
    assert!(
        message.contains("prisma.config.ts: there is no program node")
            && message.contains("set databases[].prisma.migrations"),
        "{message}"
    );
    let named = ProjectPaths {
        migrations: "prisma/migrations".into(),
        ..schema("prisma/schema.prisma")
    };
    let project = image.read(named.clone());
    assert_eq!(project.inventory.problem, None);
    assert!(project.inventory.doubt.is_some() && project.has_config);

    // A node of another machine can run Prisma no more than it can ask.
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec();
    if cfg!(target_arch = "aarch64") {
        head[18] = 0x3e;
    }
    image.bytes("bin/node", &head);
    let node = image.0.path().join("bin/node");
    fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let surroundings = Surroundings {
        directory: image.0.path().canonicalize().unwrap(),
        path: Some(image.0.path().join("bin").into()),
        ..Surroundings::default()
    };
    let problem = read(&named, &surroundings, None).inventory.problem.unwrap();
    assert_eq!(problem.reason, ProblemReason::WrongArchitecture);
    assert!(
        problem.message.contains("job.nodeSelector"),
        "{}",
        problem.message
    );

    image.remove("node_modules");
    let (reason, _) = image.problem(schema("prisma/schema.prisma"));
    assert_eq!(reason, ProblemReason::PrismaMissing);
}

/// Killed for lack of memory it is as unknown as it is without node, and what mends that is another thing.
#[test]
fn a_configuration_whose_node_is_killed() {
    let image = Image::new();
    image.file("prisma.config.ts", "export default {}");
    image.file("bin/node", "#!/bin/sh\nkill -9 $$\n");
    let node = image.0.path().join("bin/node");
    fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let surroundings = Surroundings {
        directory: image.0.path().canonicalize().unwrap(),
        path: Some(image.0.path().join("bin").into()),
        ..Surroundings::default()
    };
    let read = |migrations: &str| {
        let paths = ProjectPaths {
            migrations: migrations.into(),
            ..schema("prisma/schema.prisma")
        };
        read(&paths, &surroundings, None).inventory
    };
    let problem = read("").problem.unwrap();
    assert_eq!(problem.reason, ProblemReason::ConfigInvalid);
    for part in [
        "prisma.config.ts: node, which loads it, was ended by signal 9",
        "raise job.resources.limits.memory",
        "set databases[].prisma.migrations",
    ] {
        assert!(problem.message.contains(part), "{}", problem.message);
    }
    let told = read("prisma/migrations");
    assert_eq!(told.problem, None);
    assert!(told.doubt.unwrap().contains("signal 9"));
}

#[test]
fn problems_say_what_to_do() {
    let image = Image::new();
    let (reason, message) = image.problem(schema("db/schema.prisma"));
    assert_eq!(reason, ProblemReason::SchemaMissing);
    assert!(
        message.contains("databases[].prisma.schema")
            && message.contains("the image has prisma/schema.prisma"),
        "{message}"
    );
    // A schema of several files is its folder; those of packages and of generated clients are nobody's own.
    image.file("packages/db/prisma/schema/main.prisma", SCHEMA);
    image.file("packages/db/prisma/schema/user.prisma", "model User {}");
    image.file("node_modules/x/prisma/schema.prisma", SCHEMA);
    image.file(".next/schema.prisma", SCHEMA);
    let (_, message) = image.problem(schema("db/schema.prisma"));
    assert!(
        message.contains("the image has prisma/schema.prisma, packages/db/prisma/schema; set")
            && message.contains("to one of them"),
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

    image.remove("prisma/migrations");
    image.file(
        "prisma/migrations/migration_lock.toml",
        "provider = \"postgresql\"\n",
    );
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
