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

module.exports = {
  experimental: { adapter: true },
  engine: 'js',
  adapter: async () => {
    const { pool, schema } = poolConfig(process.env.DATABASE_URL)
    return new PrismaPg(pool, { schema })
  },
}
