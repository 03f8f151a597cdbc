// A job in the queue is done by the worker: the task that it is about is closed.
import { expect, makeProject, randomUUID, smokeTest } from './lib.mjs'

const limit = 15 // seconds

await smokeTest('worker-job', async () => {
  const { tasks, project } = await makeProject(randomUUID())
  const listener = await tasks.connect()
  let wake = () => {}
  listener.on('notification', () => wake())
  listener.on('error', () => wake())
  await listener.query('LISTEN jobs_done')
  const { rows } = await tasks.query(
    `WITH "made" AS (
       INSERT INTO "Task" ("project_id", "title", "number") VALUES ($1, 'smoke', 1) RETURNING "id"
     ) INSERT INTO "Job" ("task_id", "kind") SELECT "id", 'close-task' FROM "made" RETURNING "id", "task_id"`,
    [project],
  )
  const [job] = rows
  await tasks.query("SELECT pg_notify('jobs', '')")

  const end = Date.now() + limit * 1000
  let state
  for (;;) {
    const found = await tasks.query('SELECT "state", "attempts" FROM "Job" WHERE "id" = $1', [job.id])
    state = found.rows[0]?.state ?? 'gone'
    if (!['QUEUED', 'RUNNING'].includes(state) || Date.now() > end) break
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 500)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
  listener.release(true)
  expect(`the state of job ${job.id} after at most ${limit} s`, 'SUCCEEDED', state)
  const found = await tasks.query('SELECT "status" FROM "Task" WHERE "id" = $1', [job.task_id])
  expect('the status of the task that it closes', 'DONE', found.rows[0]?.status)
  return 'the worker did the job, and the task is closed'
})
