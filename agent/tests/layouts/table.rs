//! The layouts: what stands where in an image, and what is to come of it.

use dbm_protocol::ProblemReason;
use dbm_protocol::ProblemReason::{
    ConfigInvalid, ConfigMissing, MigrationsElsewhere, MigrationsMissing, ProviderUnsupported,
    SchemaMissing,
};

/// What a file holds.
#[derive(Clone, Copy)]
pub enum Content {
    /// These bytes.
    Is(&'static [u8]),
    /// A schema with a datasource, as the version wants it.
    Schema,
    /// A schema with a datasource and the preview feature that folders needed once.
    Preview,
    /// A configuration with this in it, and with a datasource where the version needs one. `{root}` is the image's folder.
    Config(&'static str),
    /// A link to this path, relative to the link.
    Link(&'static str),
}

use Content::{Config, Is, Link, Preview, Schema};

/// One layout.
pub struct Layout {
    pub name: &'static str,
    pub files: Vec<(&'static str, Content)>,
    pub schema: &'static str,
    pub config: &'static str,
    pub migrations: &'static str,
    /// The major versions that are asked, and the reason for which the agent refuses there, if so.
    pub versions: Vec<(u32, Option<ProblemReason>)>,
    /// Where `node_modules/prisma` stands.
    pub packages: &'static [&'static str],
}

const ALL: &[u32] = &[5, 6, 7];
const NEW: &[u32] = &[6, 7];
const M: Content = Is(b"SELECT 1;\n");
const MODEL: Content = Is(b"model A {\n  id Int @id\n}\n");

fn layout(
    name: &'static str,
    versions: &[u32],
    schema: &'static str,
    files: &[(&'static str, Content)],
) -> Layout {
    Layout {
        name,
        files: files.to_vec(),
        schema,
        config: "",
        migrations: "",
        versions: versions.iter().map(|version| (*version, None)).collect(),
        packages: &["node_modules/prisma"],
    }
}

impl Layout {
    fn refused(mut self, version: u32, reason: ProblemReason) -> Layout {
        self.versions.retain(|(known, _)| *known != version);
        self.versions.push((version, Some(reason)));
        self
    }

    fn config(mut self, path: &'static str) -> Layout {
        self.config = path;
        self
    }

    fn migrations(mut self, path: &'static str) -> Layout {
        self.migrations = path;
        self
    }

    fn packages(mut self, paths: &'static [&'static str]) -> Layout {
        self.packages = paths;
        self
    }
}

/// With the usual schema and one migration.
fn usual(name: &'static str, versions: &[u32], more: &[(&'static str, Content)]) -> Layout {
    let files = [
        ("prisma/schema.prisma", Schema),
        ("prisma/migrations/1_a/migration.sql", M),
    ];
    layout(
        name,
        versions,
        "prisma/schema.prisma",
        &[&files, more].concat(),
    )
}

/// With the usual schema, an old folder beside it and the real one in `db`.
fn moved(name: &'static str, versions: &[u32], more: &[(&'static str, Content)]) -> Layout {
    let files = [
        ("prisma/schema.prisma", Schema),
        ("prisma/migrations/1_old/migration.sql", M),
        ("db/migrations/1_a/migration.sql", M),
        ("db/migrations/2_b/migration.sql", M),
    ];
    layout(
        name,
        versions,
        "prisma/schema.prisma",
        &[&files, more].concat(),
    )
}

pub fn layouts() -> Vec<Layout> {
    [
        places(),
        folders(),
        links(),
        contents(),
        configurations(),
        packages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn places() -> Vec<Layout> {
    vec![
        usual("beside the schema", ALL, &[]),
        layout(
            "in the root",
            &[5, 7],
            "schema.prisma",
            &[
                ("schema.prisma", Schema),
                ("migrations/1_a/migration.sql", M),
            ],
        ),
        layout(
            "a package of a monorepo",
            ALL,
            "packages/db/prisma/schema.prisma",
            &[
                ("packages/db/prisma/schema.prisma", Schema),
                ("packages/db/prisma/migrations/1_a/migration.sql", M),
                ("prisma/migrations/1_other/migration.sql", M),
            ],
        ),
        layout(
            "two projects in one folder",
            &[6],
            "prisma/item-schema.prisma",
            &[
                ("prisma/item-schema.prisma", Schema),
                ("prisma/item-migrations/1_a/migration.sql", M),
                ("prisma/migrations/1_other/migration.sql", M),
            ],
        ),
        usual(
            "another folder than Prisma's is named",
            &[],
            &[("prisma/item/1_a/migration.sql", M)],
        )
        .migrations("prisma/item")
        .refused(5, MigrationsElsewhere)
        .refused(6, MigrationsElsewhere)
        .refused(7, MigrationsElsewhere),
        layout(
            "another folder is named, and Prisma's is not there",
            &[],
            "prisma/schema.prisma",
            &[
                ("prisma/schema.prisma", Schema),
                ("prisma/item/1_a/migration.sql", M),
            ],
        )
        .migrations("prisma/item")
        .refused(6, MigrationsElsewhere),
        usual("Prisma's own folder is named", &[6], &[]).migrations("./prisma/migrations/"),
        layout(
            "dots in the path",
            &[5, 6],
            "packages/../prisma/./schema.prisma",
            &[
                ("packages/x", Is(b"")),
                ("prisma/schema.prisma", Schema),
                ("prisma/migrations/1_a/migration.sql", M),
            ],
        ),
        usual(
            "package.json names another schema",
            &[6],
            &[
                (
                    "package.json",
                    Is(br#"{"prisma":{"schema":"other/schema.prisma"}}"#),
                ),
                ("other/schema.prisma", Schema),
                ("other/migrations/1_other/migration.sql", M),
            ],
        ),
    ]
}

fn folders() -> Vec<Layout> {
    vec![
        layout(
            "a folder of schemas, migrations in it",
            NEW,
            "prisma/schema",
            &[
                ("prisma/schema/main.prisma", Preview),
                ("prisma/schema/item.prisma", MODEL),
                ("prisma/schema/migrations/1_a/migration.sql", M),
            ],
        )
        .refused(5, MigrationsMissing),
        layout(
            "a folder of schemas, migrations beside it",
            &[5],
            "prisma/schema",
            &[
                ("prisma/schema/main.prisma", Preview),
                ("prisma/schema/item.prisma", MODEL),
                ("prisma/migrations/1_a/migration.sql", M),
            ],
        )
        .refused(6, MigrationsMissing)
        .refused(7, MigrationsMissing),
        layout(
            "the datasource deeper, migrations beside it",
            &[6],
            "prisma/schema/",
            &[
                ("prisma/schema/base/db.prisma", Preview),
                ("prisma/schema/item.prisma", MODEL),
                ("prisma/schema/base/migrations/1_a/migration.sql", M),
            ],
        )
        .refused(7, MigrationsMissing),
        layout(
            "the datasource deeper, migrations in the folder",
            &[7],
            "prisma/schema",
            &[
                ("prisma/schema/base/db.prisma", Schema),
                ("prisma/schema/item.prisma", MODEL),
                ("prisma/schema/migrations/1_a/migration.sql", M),
            ],
        )
        .refused(6, MigrationsMissing),
        layout(
            "a folder without the preview feature",
            &[6],
            "prisma",
            &[
                ("prisma/main.prisma", Schema),
                ("prisma/models/item.prisma", MODEL),
                ("prisma/migrations/1_a/migration.sql", M),
            ],
        )
        .refused(5, SchemaMissing),
        layout(
            "schemas in folders of any name",
            &[7],
            "prisma",
            &[
                ("prisma/z.prisma", Schema),
                ("prisma/migrations/extra.prisma", MODEL),
                (
                    "prisma/node_modules/b.prisma",
                    Is(b"model B {\n  id Int @id\n}\n"),
                ),
                (
                    "prisma/.hidden/c.prisma",
                    Is(b"model C {\n  id Int @id\n}\n"),
                ),
                ("prisma/.prisma", Is(b"nothing")),
                ("prisma/notes.md", Is(b"nothing")),
                ("prisma/migrations/1_a/migration.sql", M),
            ],
        ),
    ]
}

fn links() -> Vec<Layout> {
    vec![
        layout(
            "the schema is a link",
            ALL,
            "prisma/schema.prisma",
            &[
                ("shared/schema.prisma", Schema),
                ("shared/migrations/1_other/migration.sql", M),
                ("prisma/schema.prisma", Link("../shared/schema.prisma")),
                ("prisma/migrations/1_a/migration.sql", M),
            ],
        ),
        layout(
            "the folder above the schema is a link",
            &[5],
            "prisma/schema.prisma",
            &[
                ("shared/prisma/schema.prisma", Schema),
                ("shared/prisma/migrations/1_a/migration.sql", M),
                ("prisma", Link("shared/prisma")),
            ],
        ),
        layout(
            "dots after a link",
            &[6],
            "linked/../prisma/schema.prisma",
            &[
                ("far/away/x", Is(b"")),
                ("linked", Link("far/away")),
                ("prisma/schema.prisma", Schema),
                ("prisma/migrations/1_a/migration.sql", M),
            ],
        ),
        layout(
            "a file of the folder is a link",
            &[6],
            "prisma/schema",
            &[
                ("shared/db.prisma", Schema),
                ("shared/migrations/1_a/migration.sql", M),
                ("prisma/schema/db.prisma", Link("../../shared/db.prisma")),
                ("prisma/schema/item.prisma", MODEL),
            ],
        )
        .refused(7, MigrationsMissing),
        layout(
            "the folder of schemas is a link",
            NEW,
            "prisma/schema",
            &[
                ("shared/db.prisma", Schema),
                ("shared/migrations/1_a/migration.sql", M),
                ("prisma/schema", Link("../shared")),
            ],
        ),
        layout(
            "the folder of migrations is a link",
            ALL,
            "prisma/schema.prisma",
            &[
                ("prisma/schema.prisma", Schema),
                ("history/1_a/migration.sql", M),
                ("prisma/migrations", Link("../history")),
            ],
        ),
        usual(
            "a migration is a link to a folder",
            &[5, 6],
            &[
                ("elsewhere/2_b/migration.sql", M),
                ("prisma/migrations/2_b", Link("../../elsewhere/2_b")),
            ],
        ),
        usual(
            "a migration.sql is a link",
            &[7],
            &[
                ("elsewhere/b.sql", Is(b"SELECT 2;\n")),
                (
                    "prisma/migrations/2_b/migration.sql",
                    Link("../../../elsewhere/b.sql"),
                ),
                ("prisma/migrations/3_c/migration.sql", Link("nowhere.sql")),
            ],
        ),
    ]
}

fn contents() -> Vec<Layout> {
    vec![
        usual(
            "an empty folder, one with other files, a file",
            ALL,
            &[
                ("prisma/migrations/2_b/README.md", Is(b"gone")),
                ("prisma/migrations/3_c/sub/migration.sql", M),
                ("prisma/migrations/4_d.sql", M),
            ],
        ),
        usual(
            "a migration.sql that is a folder",
            &[6],
            &[("prisma/migrations/2_b/migration.sql/x", M)],
        ),
        usual(
            "bytes that are no UTF-8",
            ALL,
            &[
                (
                    "prisma/migrations/2_b/migration.sql",
                    Is(b"-- caf\xe9\nSELECT 1;\n"),
                ),
                (
                    "prisma/migrations/3_c/migration.sql",
                    Is(b"-- \xf0\x9f\x98 \xc0\xaf \xed\xa0\x80 \xff"),
                ),
                (
                    "prisma/migrations/4_d/migration.sql",
                    Is(b"-- cut \xe2\x82"),
                ),
            ],
        ),
        usual(
            "byte-order mark, CRLF, no line end, nothing",
            &[6],
            &[
                (
                    "prisma/migrations/2_b/migration.sql",
                    Is(b"\xef\xbb\xbfSELECT 1;\n"),
                ),
                (
                    "prisma/migrations/3_c/migration.sql",
                    Is(b"SELECT 1;\r\nSELECT 2;\r\n"),
                ),
                ("prisma/migrations/4_d/migration.sql", Is(b"SELECT 1")),
                ("prisma/migrations/5_e/migration.sql", Is(b"")),
            ],
        ),
        usual(
            "UTF-16",
            &[7],
            &[(
                "prisma/migrations/2_b/migration.sql",
                Is(b"\xff\xfeS\0E\0L\0E\0C\0T\0 \x001\0;\0"),
            )],
        ),
        usual(
            "names that sort in two ways",
            &[5, 6],
            &[
                ("prisma/migrations/0001_b/migration.sql", M),
                ("prisma/migrations/0_init/migration.sql", M),
                ("prisma/migrations/1_B/migration.sql", M),
                ("prisma/migrations/1 c/migration.sql", M),
                ("prisma/migrations/.hidden/migration.sql", M),
            ],
        ),
        usual(
            "a lock file with CRLF",
            &[6],
            &[(
                "prisma/migrations/migration_lock.toml",
                Is(b"# x\r\nprovider = \"postgresql\"\r\n"),
            )],
        ),
        usual(
            "a lock file of another provider",
            &[],
            &[(
                "prisma/migrations/migration_lock.toml",
                Is(b"provider = \"sqlite\"\n"),
            )],
        )
        .refused(5, ProviderUnsupported)
        .refused(6, ProviderUnsupported)
        .refused(7, ProviderUnsupported),
        usual(
            "a lock file that is a folder",
            &[6],
            &[("prisma/migrations/migration_lock.toml/1_x", Is(b""))],
        ),
    ]
}

fn configurations() -> Vec<Layout> {
    const PATH: Content = Config("migrations: { path: 'db/migrations' }");
    let mut found: Vec<Layout> = [
        ("a configuration names the folder", NEW, "prisma.config.ts"),
        ("the same as an ES module", &[7], "prisma.config.mjs"),
        ("the same as CommonJS", NEW, "prisma.config.cjs"),
        ("the same as JavaScript", &[6], "prisma.config.js"),
    ]
    .into_iter()
    .map(|(name, versions, file)| moved(name, versions, &[(file, PATH)]))
    .collect();
    found.extend([
        moved(
            "a configuration of Prisma 6 in an image with Prisma 5",
            &[5],
            &[("prisma.config.ts", PATH)],
        ),
        moved(
            "an absolute path",
            NEW,
            &[(
                "prisma.config.ts",
                Config("migrations: { path: '{root}/db/migrations' }"),
            )],
        ),
        moved(
            "a configuration in .config",
            NEW,
            &[(
                ".config/prisma.ts",
                Config("migrations: { path: '../db/migrations' }"),
            )],
        ),
        moved(
            "a configuration in another folder",
            NEW,
            &[(
                "packages/db/prisma.config.ts",
                Config("migrations: { path: '../../db/migrations' }"),
            )],
        )
        .config("packages/db/prisma.config.ts"),
        usual(
            "a configuration in another folder that says little",
            NEW,
            &[("packages/db/prisma.config.mjs", Config(""))],
        )
        .config("packages/db/prisma.config.mjs"),
        moved("two configurations", NEW, &[
            ("prisma.config.ts", Config("migrations: { path: 'db/migrations' }")),
            (".config/prisma.ts", Config("migrations: { path: '../prisma/migrations' }")),
        ]),
        moved(
            "a configuration of Prisma 7 beside that of another version",
            &[7],
            &[
                ("prisma7.config.ts", Config("migrations: { path: 'db/migrations' }")),
                ("prisma.config.ts", Is(b"export default { contract: 'x' }")),
            ],
        ),
        layout(
            "the configuration names the schema, nobody else does",
            NEW,
            "prisma/schema.prisma",
            &[
                ("db/schema.prisma", Schema),
                ("db/migrations/1_a/migration.sql", M),
                ("prisma.config.ts", Config("schema: 'db/schema.prisma'")),
            ],
        ),
        usual(
            "the configuration names another schema, and both are there",
            &[],
            &[
                ("db/schema.prisma", Schema),
                ("prisma.config.ts", Config("schema: 'db/schema.prisma'")),
            ],
        )
        .refused(6, ConfigInvalid),
        usual(
            "a configuration without datasource",
            &[6],
            &[("prisma.config.ts", Is(b"export default { schema: 'prisma/schema.prisma' }"))],
        )
        .refused(7, ConfigMissing),
        usual(
            "a configuration that only the Job satisfies",
            NEW,
            &[(
                "prisma.config.ts",
                Config("...(() => { if (!process.env.STAGE) throw new Error('STAGE is not set'); return {} })()"),
            )],
        ),
        usual(
            "env() of Prisma's own",
            &[7],
            &[(
                "prisma.config.ts",
                Is(b"import { defineConfig, env } from 'prisma/config'\nexport default defineConfig({ datasource: { url: env('DATABASE_URL'), shadowDatabaseUrl: env('DIRECT_URL') } })\n"),
            )],
        ),
        usual(
            "a classic datasource in Prisma 6",
            &[6],
            &[(
                "prisma.config.ts",
                Is(b"import { defineConfig, env } from 'prisma/config'\nexport default defineConfig({ engine: 'classic', datasource: { url: env('DATABASE_URL'), directUrl: env('DIRECT_URL') } })\n"),
            )],
        ),
        usual(
            "a configuration that cannot be loaded",
            &[],
            &[("prisma.config.ts", Is(b"import 'not-in-the-image'\nexport default {}\n"))],
        )
        .refused(6, ConfigInvalid)
        .refused(7, ConfigInvalid),
        moved(
            "a path that only the Job knows",
            &[],
            &[(
                "prisma.config.ts",
                Config("migrations: { path: ((name) => { if (!process.env[name]) throw new Error(name); return process.env[name] })('MIGRATIONS_PATH') }"),
            )],
        )
        .refused(6, ConfigInvalid),
        // The resource says it, and Prisma is asked in the Job.
        moved(
            "a folder that depends on what only the Job sets",
            NEW,
            &[(
                "prisma.config.ts",
                Config("migrations: { path: process.env.STAGE ? 'db/migrations' : 'prisma/migrations' }"),
            )],
        )
        .migrations("db/migrations"),
        moved(
            "the same as CommonJS, by the URL",
            NEW,
            &[(
                "prisma.config.cjs",
                Config("migrations: { path: (process.env.DATABASE_URL ?? '').includes('127.0.0.1') ? 'db/migrations' : 'nowhere' }"),
            )],
        )
        .migrations("db/migrations"),
        // Of a plain one it is certain.
        moved(
            "another folder than the configuration's",
            &[],
            &[("prisma.config.ts", Config("migrations: { path: 'prisma/migrations' }"))],
        )
        .migrations("db/migrations")
        .refused(6, MigrationsElsewhere)
        .refused(7, MigrationsElsewhere),
        usual("Prisma 7 without configuration", &[], &[("prisma.config.txt", Is(b""))])
            .refused(7, ConfigMissing),
        layout(
            "the configuration stands in the package",
            &[],
            "packages/db/prisma/schema.prisma",
            &[
                ("packages/db/prisma/schema.prisma", Schema),
                ("packages/db/prisma/migrations/1_a/migration.sql", M),
                ("packages/db/prisma.config.ts", Config("")),
            ],
        )
        .refused(7, ConfigMissing),
        moved(
            "a configuration names a folder that is not there",
            &[],
            &[("prisma.config.ts", Config("migrations: { path: 'nowhere' }"))],
        )
        .refused(6, MigrationsMissing)
        .refused(7, MigrationsMissing),
    ]);
    found
}

fn packages() -> Vec<Layout> {
    let package = [
        ("packages/db/prisma/schema.prisma", Schema),
        ("packages/db/prisma/migrations/1_a/migration.sql", M),
        ("packages/db/package.json", Is(br#"{"name":"@app/db"}"#)),
    ];
    vec![
        usual("pnpm deploy", NEW, &[]).packages(&[
            "node_modules/.pnpm/prisma@1/node_modules/prisma",
            "node_modules/prisma -> .pnpm/prisma@1/node_modules/prisma",
        ]),
        layout("a workspace of pnpm", &[6], "packages/db/prisma/schema.prisma", &package).packages(&[
            "node_modules/.pnpm/prisma@1/node_modules/prisma",
            "packages/db/node_modules/prisma -> ../../../node_modules/.pnpm/prisma@1/node_modules/prisma",
        ]),
        layout(
            "a linked package",
            &[6],
            "node_modules/@app/db/prisma/schema.prisma",
            &[&package[..], &[("node_modules/@app/db", Link("../../packages/db"))]].concat(),
        ),
    ]
}
