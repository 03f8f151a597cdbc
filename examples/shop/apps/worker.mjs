// The worker: takes queued jobs from the tasks database, one at a time; several workers never take the same.
// GET /ready on port 8080: the last look at the queue went well.
import http from 'node:http'
import { describe, pool, stopOnSignal, transaction } from './lib.mjs'

const tasks = pool('TASKS_DATABASE_URL', 'worker')
const kinds = {
  'announce-task': (client, job) => client.query("SELECT pg_notify('tasks', $1)", [job.task_id]),
  'close-task': async (client, job) => {
    const { rowCount } = await client.query(
      `UPDATE "Task" SET "status" = 'DONE', "updated_at" = now() WHERE "id" = $1`,
      [job.task_id],
    )
    if (!rowCount) throw new Error('there is no such task')
  },
}

async function workOff(client, job) {
  await client.query('SAVEPOINT job')
  let state = 'SUCCEEDED'
  try {
    if (!kinds[job.kind]) throw new Error('nobody knows this kind of job')
    await kinds[job.kind](client, job)
  } catch (error) {
    await client.query('ROLLBACK TO SAVEPOINT job')
    console.log(`job ${job.id}: ${describe(error)}`)
    state = 'FAILED'
  }
  await client.query('UPDATE "Job" SET "state" = $2, "attempts" = "attempts" + 1 WHERE "id" = $1', [job.id, state])
  await client.query("SELECT pg_notify('jobs_done', $1)", [job.id])
}

// The queue's next job, if there is one. A worker that dies leaves it as it was.
function next() {
  return transaction(tasks, async (client) => {
    const { rows } = await client.query(
      `SELECT "id", "task_id", "kind" FROM "Job" WHERE "state" = 'QUEUED' AND "run_after" <= now()
       ORDER BY "run_after", "id" LIMIT 1 FOR UPDATE SKIP LOCKED`,
    )
    if (rows.length) await workOff(client, rows[0])
    return rows.length > 0
  })
}

let ready = false
let stopping = false
let wake = () => {}
let listener

async function listen() {
  const client = await tasks.connect()
  const over = (error) => {
    if (listener === client) listener = undefined
    client.removeAllListeners()
    client.on('error', () => {})
    client.release(error ?? true)
    wake()
  }
  client.once('error', over)
  client.once('end', over)
  client.on('notification', () => wake())
  await client.query('LISTEN jobs').catch((error) => {
    over(error)
    throw error
  })
  listener = client
}

// Woken by NOTIFY; once a second also without, for jobs whose time comes.
const rest = () =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000)
    wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })

stopOnSignal(() => {
  stopping = true
  wake()
})
http
  .createServer((_, response) => response.writeHead(ready ? 200 : 503).end())
  .listen(Number(process.env.PORT ?? 8080), () => console.log('the worker looks at the queue'))

let said = ''
while (!stopping) {
  let worked = false
  try {
    if (!listener) await listen()
    worked = await next()
    ready = true
    said = ''
  } catch (error) {
    ready = false
    if (describe(error) !== said) console.log((said = describe(error)))
  }
  if (!worked && !stopping) await rest()
}
process.exit(0)
