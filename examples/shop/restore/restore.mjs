// What `spec.rollback.restore` of ../../shop-validated.yaml runs: asks the PostgreSQL instance that holds the database to
// restore itself, and waits for its answer. The instance does the work, see ../../../local-cluster/postgres/restore.sh;
// here is only the role `restorer`, which may do nothing but ask.
//
// Environment: DBM_RESTORE_DATABASE, one of DBM_RESTORE_POINT, DBM_RESTORE_LSN and DBM_RESTORE_TIME (the first that is
// not empty counts, the others help to choose the backup), <NAME>_DATABASE_URL (for the address), RESTORER_PASSWORD.
// Exit codes: 0 the database is back; 1 it is not, and nothing was changed unless the last line says otherwise.
import pg from 'pg'

const { DBM_RESTORE_DATABASE: name, RESTORER_PASSWORD: password } = process.env
const target = ['DBM_RESTORE_POINT', 'DBM_RESTORE_LSN', 'DBM_RESTORE_TIME'].map((key) => process.env[key] ?? '')
const began = Date.now()
const seconds = () => ((Date.now() - began) / 1000).toFixed(1)

function fail(what) {
  console.log(`restore of ${name || 'no database'} failed after ${seconds()} s: ${what}`)
  process.exit(1)
}

if (!name) fail('DBM_RESTORE_DATABASE is empty')
const variable = `${name.toUpperCase().replaceAll('-', '_')}_DATABASE_URL`
if (!process.env[variable]) fail(`${variable} is empty: it says where the database is`)
if (!password) fail('RESTORER_PASSWORD is empty: job.envFrom names the Secret that holds it')
if (!target.some(Boolean)) fail('DBM_RESTORE_POINT, DBM_RESTORE_LSN and DBM_RESTORE_TIME are all empty')

const { hostname: host, port } = new URL(process.env[variable])

async function ask(statement, values) {
  const client = new pg.Client({
    host,
    port: Number(port || 5432),
    user: 'restorer',
    password,
    database: 'postgres',
    application_name: 'restore',
    connectionTimeoutMillis: 5000,
    query_timeout: 15000,
  })
  client.on('error', () => {}) // the server goes away in between, which the query says too
  try {
    await client.connect()
    return Object.values((await client.query(statement, values)).rows[0])[0]
  } finally {
    client.end().catch(() => {})
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

console.log(`restore of ${name} on ${host} to ${target.find(Boolean)}`)
const id = await ask('SELECT dbm_request_restore($1, $2, $3)', target).catch((error) => fail(error.message || error.code))

// There is no deadline here: the Job's time-out is one. What it interrupts goes on in the instance; asked again for the
// same target it gives the same answer.
let served = true
for (;;) {
  await pause(300)
  let answer
  try {
    answer = await ask('SELECT dbm_restore_result($1)', [id])
    if (!served) console.log(`${seconds()} s: the instance serves again`)
    served = true
  } catch (error) {
    if (served) console.log(`${seconds()} s: the instance does not serve: ${error.message}`)
    served = false
  }
  if (!answer) continue
  const [outcome, what] = answer.split(/\|(.*)/s)
  if (outcome !== 'ok') fail(what)
  console.log(`${name} is back after ${seconds()} s: ${what}`)
  process.exit(0)
}
