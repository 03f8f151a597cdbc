// Runs `prisma migrate deploy` for one package: node scripts/migrate.mjs packages/db [--env-file FILE]
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'env-file': { type: 'string' } },
})
if (positionals.length !== 1) {
  console.error('usage: migrate.mjs PACKAGE [--env-file FILE]')
  process.exit(2)
}
// pnpm changes into the package, so a relative file is meant from where the user typed the command.
if (values['env-file']) {
  process.loadEnvFile(path.resolve(process.env.INIT_CWD ?? process.cwd(), values['env-file']))
}
const manifest = createRequire(path.join(root, 'package.json')).resolve('prisma/package.json')
const prisma = path.join(path.dirname(manifest), 'build', 'index.js')
const schema = path.join(positionals[0], 'prisma', 'schema.prisma')
const { status } = spawnSync(process.execPath, [prisma, 'migrate', 'deploy', '--schema', schema], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 1)
