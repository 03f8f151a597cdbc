// Started by engine, which Prisma takes for its native schema engine. It writes down what the command line hands it: the schema files,
// the folder of the migrations and, from Prisma 6.6 on, its content. Before that the engine itself reads the folder.
const fs = require('node:fs')
const { createHash } = require('node:crypto')
const { createInterface } = require('node:readline')

const words = process.argv.slice(2)

const said = { schemas: [] }
words.forEach((word, at) => {
  if (['-d', '--datamodel', '--datamodels'].includes(word)) said.schemas.push(words[at + 1])
})

function listed(folder) {
  const entries = fs.existsSync(folder) ? fs.readdirSync(folder, { withFileTypes: true }) : []
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((name) => ({ name }))
}

function handed({ path: name, migrationFile: { content } }) {
  const digest = (text) => createHash('sha256').update(text, 'utf8').digest('hex')
  return { name, sha256: content.tag === 'ok' ? digest(content.value) : '' }
}

function note({ migrationsDirectoryPath, migrationsList }) {
  if (migrationsList) {
    said.folder = migrationsList.baseDir
    said.migrations = migrationsList.migrationDirectories.map(handed)
    said.lock = migrationsList.lockfile.content
  } else {
    said.folder = migrationsDirectoryPath
    said.migrations = listed(migrationsDirectoryPath)
  }
  fs.writeFileSync(process.env.LAYOUT_SAID, JSON.stringify(said))
}

const results = {
  diagnoseMigrationHistory: { failedMigrationNames: [], editedMigrationNames: [], hasMigrationsTable: true },
  listMigrationDirectories: { migrations: [] },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (!method) return
  if (method === 'diagnoseMigrationHistory') note(params)
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} })}\n`)
})
