//! Which configurations are plain.

use super::*;

#[test]
fn ordinary_configurations_are() {
    for text in [
        "export default { datasource: { url: process.env.DATABASE_URL } }",
        "import 'dotenv/config'\nimport { defineConfig, env } from 'prisma/config'\n\nexport default defineConfig({\n  schema: \"prisma/schema.prisma\",\n  migrations: { path: 'prisma/migrations', seed: `tsx seed.ts`, },\n  datasource: { url: env('DATABASE_URL'), shadowDatabaseUrl: env(\"SHADOW\") },\n})\n",
        "// What npx prisma init writes.\nimport \"dotenv/config\";\nimport { defineConfig } from \"prisma/config\";\nexport default defineConfig({ schema: \"prisma/schema.prisma\", engine: \"classic\", datasource: { url: process.env[\"DATABASE_URL\"] } });",
        "import path from 'node:path'\nimport type { PrismaConfig } from 'prisma'\nexport default { earlyAccess: true, schema: path.join('prisma', 'schema'), datasource: { url: process.env.DATABASE_URL! } } satisfies PrismaConfig",
        "'use strict'\nconst { defineConfig } = require('prisma/config')\nconst path = require('path')\nrequire('dotenv').config({ path: path.resolve(__dirname, '.env') })\nconst config = { migrations: { path: path.join(__dirname, 'db/migrations') }, datasource: { url: process.env.DATABASE_URL ?? '' } }\nmodule.exports = defineConfig(config)",
        "import { config } from 'dotenv'\nimport { fileURLToPath } from 'node:url'\nconfig()\nconst schema: string = fileURLToPath(import.meta.url)\nexport default { schema, tables: { external: ['a.b'] }, datasource: { url: process.env.A as string } }",
        "const { PrismaPg } = require('@prisma/adapter-pg')\nfunction own(text) { if (process.env.A === '1') return text.replace(/[\\\\ {]/g, `${text}{`) }\nasync function more(x) { return x ? 1 : 2 }\nmodule.exports = { engine: 'js', adapter: async () => { return own(process.env.B) }, experimental: { adapter: true } }",
        "import { PrismaPg } from '@prisma/adapter-pg'\nexport default { async adapter() { return new PrismaPg({ connectionString: process.env.A }) } }",
        "export default { adapter: () => x(process.env.A, 1), schema: 'a' }",
        "/* nothing */ export default {}",
        "",
    ] {
        assert!(is_plain(text), "{text}");
    }
}

/// Prisma would be asked, for a second, before each of its runs.
#[test]
fn that_of_the_example_is() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/shop/local-image/prisma.config.cjs"
    );
    assert!(std::fs::read_to_string(file).is_ok_and(|text| is_plain(&text)));
}

#[test]
fn what_may_say_something_else_is_not() {
    let of = |body: &str| format!("const path = require('path')\nmodule.exports = {{ {body} }}");
    let url = "datasource: { url: process.env.DATABASE_URL }, migrations: ";
    for body in [
        "migrations: { path: process.env.MDIR ?? 'prisma/migrations' }",
        "migrations: { path: process.env.MDIR }",
        &format!("{url}{{ path: process.env.DATABASE_URL ? 'a' : 'b' }}"),
        &format!("{url}{{ path: (process.env.DATABASE_URL ?? '').includes('x') ? 'a' : 'b' }}"),
        &format!(
            "{url}{{ path: new URL(process.env.DATABASE_URL).pathname.startsWith('/fe_') ? 'a' : 'b' }}"
        ),
        "migrations: { path: process.argv.includes('deploy') ? 'a' : 'b' }",
        "migrations: { path: `db/${process.env.MDIR}` }",
        "migrations: { path: path.join('db', process.env.MDIR) }",
        "migrations: { path: Object.keys(process.env).length > 9 ? 'a' : 'b' }",
        "migrations: { path: 'MDIR' in process.env ? 'a' : 'b' }",
        "migrations: { path: JSON.stringify(process.env) }",
        "migrations: { path: require('dotenv').config().parsed.MDIR }",
        "migrations: { path: require('./paths').migrations }",
        "migrations: { path: require('fs').existsSync('/x') ? 'a' : 'b' }",
        "migrations: { path: require('os').hostname() }",
        "migrations: { path: (() => 'a')() }",
        "adapter: (() => { module.exports.migrations = { path: process.env.A } })()",
        "adapter: function () { return process.env.A }(), schema: 'a'",
        "...process.env, schema: 'a'",
        "[process.env.A]: 'a'",
        "get schema() { return process.env.A }",
        "$production: { schema: 'a' }",
        "datasource: { url: process.env.A ?? process.env.B }",
        "datasource: { url: process['env'].A }",
        "schema: globalThis.process.env.A",
        "schema: process.platform",
        "schema: 'a' + process.env.A",
    ] {
        assert!(!is_plain(&of(body)), "{body}");
    }
    for text in [
        "import { pick } from './pick.js'\nexport default { schema: pick }",
        "import { env } from './env.js'\nexport default { datasource: { url: env('A') } }",
        "import { env } from 'node:process'\nexport default { migrations: { path: env.MDIR } }",
        "import { createEnv } from '@t3-oss/env-core'\nexport default {}",
        "import { env } from 'prisma/config'\nexport default { migrations: { path: env('MDIR') } }",
        "const url = process.env.DATABASE_URL\nexport default { datasource: { url }, migrations: { path: url.includes('x') ? 'a' : 'b' } }",
        "const datasource = { url: process.env.A }\nexport default { datasource, schema: datasource.url }",
        "const { MDIR } = process.env\nexport default { migrations: { path: MDIR } }",
        "const process = require('./own')\nexport default { datasource: { url: process.env.A } }",
        "function own() { return process.env.A }\nexport default { schema: own() }",
        "if (process.env.A) process.exit(1)\nexport default {}",
        "for (const x of []) {}\nexport default {}",
        "export default async () => ({})",
        "export default await import('./x.js')",
        "export { default } from './x.js'",
        "process.env.A = 'x'",
        "export default { schema: 'a",
        "export default { /* ",
        "export default { schema: `a${",
    ] {
        assert!(!is_plain(text), "{text}");
    }
}
