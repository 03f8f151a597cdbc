// Prisma with its WebAssembly engine, for the local cluster and the tests: it needs no download beyond the package.
// CommonJS, because Prisma compiles other kinds of configuration at every start (0.3 s).
const { PrismaPg } = require('@prisma/adapter-pg')

// Prisma's own parameters of the URL, in the terms of node-postgres; it knows options and application_name by itself.
function poolConfig(text) {
  const url = new URL(text)
  const take = (name) => {
    const value = url.searchParams.get(name)
    url.searchParams.delete(name)
    return value
  }
  const connectTimeout = Number(take('connect_timeout') ?? 5)
  const schema = take('schema') ?? 'public'
  const strict = take('sslaccept') === 'strict'
  const sslmode = url.searchParams.get('sslmode')
  if (sslmode === 'prefer') url.searchParams.set('sslmode', 'disable')
  if (sslmode === 'require') url.searchParams.set('sslmode', strict ? 'verify-full' : 'no-verify')
  for (const other of ['connection_limit', 'pool_timeout', 'pgbouncer', 'socket_timeout']) take(other)
  return {
    schema,
    pool: {
      connectionString: url.toString(),
      connectionTimeoutMillis: connectTimeout * 1000,
      // The advisory lock belongs to a session: one connection, kept for as long as the process lives but no longer.
      max: 1,
      idleTimeoutMillis: 0,
      allowExitOnIdle: true,
    },
  }
}

// The adapter sends a migration file statement by statement, as Prisma from 7.4 on does: what ran before an error
// stays. MIGRATION_AS_ONE_QUERY=1 sends it whole, as the native engines before that do: an error undoes the file.
function statements(script) {
  if (process.env.MIGRATION_AS_ONE_QUERY === '1') return [script]
  return script.split(';').map((part) => part.trim()).filter(Boolean)
}

// The adapter retells some errors in its own words, without code and detail; here they stay PostgreSQL's.
function retell(adapter, error) {
  try {
    adapter.onError(error)
  } catch (reported) {
    if (error.severity && error.code) {
      const { code, column, detail, hint, message, severity } = error
      reported.cause = { kind: 'postgres', code, column, detail, hint, severity, message: `${message} (SQLSTATE ${code})` }
    }
    throw reported
  }
}

async function connect(factory) {
  const adapter = await factory.connect()
  adapter.executeScript = async (script) => {
    for (const statement of statements(script)) {
      await adapter.underlyingDriver().query(statement).catch((error) => retell(adapter, error))
    }
  }
  return adapter
}

module.exports = {
  experimental: { adapter: true },
  engine: 'js',
  adapter: async () => {
    const { pool, schema } = poolConfig(process.env.DATABASE_URL)
    const factory = new PrismaPg(pool, { schema })
    return {
      provider: factory.provider,
      adapterName: factory.adapterName,
      connect: () => connect(factory),
      connectToShadowDb: () => factory.connectToShadowDb(),
    }
  },
}
