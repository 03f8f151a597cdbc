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
  if (schema !== 'public') {
    const path = `"${schema.replaceAll('"', '""')}"`.replace(/[\\ ]/g, '\\$&')
    url.searchParams.set('options', `${url.searchParams.get('options') ?? ''} -c search_path=${path}`.trim())
  }
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

// The adapter and the engine retell some errors in their own words, without code and detail. Those of a migration stay
// PostgreSQL's: the engine prints as they are the errors whose code it does not know.
function retell(adapter, error) {
  try {
    adapter.onError(error)
  } catch (reported) {
    if (error.severity && error.code) {
      const { column, detail, hint, severity } = error
      const message = `${error.message} (SQLSTATE ${error.code})`
      reported.cause = { kind: 'postgres', code: '', column, detail, hint, severity, message }
    }
    throw reported
  }
}

// Errors that the adapter knows nothing of reach the user as "External error id#0".
function unreachable(error) {
  if (error.code === 'EAI_AGAIN' || /timeout exceeded when trying to connect|due to connection timeout/.test(error.message)) {
    const { hostname, port } = new URL(process.env.DATABASE_URL)
    const address = { address: hostname, port: Number(port || 5432) }
    return Object.assign(error, { code: 'ECONNREFUSED', syscall: 'connect', errno: -1, ...address })
  }
  return error
}

async function connect(factory) {
  const adapter = await factory.connect()
  const { onError } = adapter
  adapter.onError = (error) => onError.call(adapter, unreachable(error))
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
