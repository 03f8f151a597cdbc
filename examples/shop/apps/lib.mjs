// What the portal, the worker and the smoke tests share: pools, passwords and tokens.
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import pg from 'pg'

const derive = promisify(scrypt)

export function pool(variable, name, max = 4) {
  const connectionString = process.env[variable]
  if (!connectionString) throw new Error(`${variable} is empty`)
  const made = new pg.Pool({
    connectionString,
    max,
    application_name: name,
    connectionTimeoutMillis: 5000,
    query_timeout: 8000,
    idleTimeoutMillis: 30000,
    allowExitOnIdle: true,
  })
  made.on('error', () => {}) // an idle connection broke; the next query makes another one
  return made
}

// All statements, or none of them.
export async function transaction(from, work) {
  const client = await from.connect()
  let failed
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    failed = error
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release(failed)
  }
}

// 16 bytes of salt, then scrypt's key. A user's password is the API key with the scope "login".
export async function hashPassword(password, salt = randomBytes(16)) {
  return Buffer.concat([salt, await derive(password, salt, 32)])
}

export async function passwordIs(password, hash) {
  return timingSafeEqual(hash, await hashPassword(password, hash.subarray(0, 16)))
}

export const newToken = () => randomBytes(32).toString('base64url')
export const hashToken = (token) => createHash('sha256').update(token).digest()

// Names of tables and codes of errors say enough; values stay out of the log.
export const describe = ({ code, message }) => (typeof code === 'string' ? `${code} ${message}` : message)

export function stopOnSignal(stop) {
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, stop)
}
