// The portal: POST /login gives a session, POST /tasks makes a task. GET /ready: the tables of both databases are there.
import http from 'node:http'
import { describe, hashPassword, hashToken, newToken, passwordIs, pool, stopOnSignal, transaction } from './lib.mjs'

const identity = pool('IDENTITY_DATABASE_URL', 'portal')
const tasks = pool('TASKS_DATABASE_URL', 'portal')

class Refused extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

async function json(request) {
  let text = ''
  for await (const part of request) {
    text += part
    if (text.length > 65536) throw new Refused(413, 'the body is too long')
  }
  try {
    return Object(JSON.parse(text))
  } catch {
    throw new Refused(400, 'the body is not JSON')
  }
}

function texts(body, ...names) {
  return names.map((name) => {
    if (typeof body[name] !== 'string' || !body[name].trim()) throw new Refused(400, `${name} is missing`)
    return body[name]
  })
}

// Nobody is told by the time of an answer which addresses there are.
const nobody = await hashPassword(newToken())

async function login(request) {
  const [email, password] = texts(await json(request), 'email', 'password')
  const { rows } = await identity.query(
    `SELECT "User"."id", "ApiKey"."id" AS "key", "ApiKey"."secret_hash" FROM "User"
     JOIN "ApiKey" ON "ApiKey"."created_by" = "User"."id" AND 'login' = ANY ("ApiKey"."scopes")
     WHERE "User"."email_normalized" = lower(btrim($1)) ORDER BY "ApiKey"."created_at" DESC LIMIT 1`,
    [email],
  )
  const [user] = rows
  if (!(await passwordIs(password, user?.secret_hash ?? nobody)) || !user) {
    throw new Refused(401, 'no such user with this password')
  }
  const token = newToken()
  await transaction(identity, async (client) => {
    await client.query('UPDATE "ApiKey" SET "last_used_at" = now() WHERE "id" = $1', [user.key])
    await client.query(
      `INSERT INTO "Session" ("user_id", "token_hash", "expires_at") VALUES ($1, $2, now() + interval '12 hours')`,
      [user.id, hashToken(token)],
    )
  })
  return [200, { token, user: user.id }]
}

async function sessionUser(request) {
  const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (!token) throw new Refused(401, 'log in first')
  const { rows } = await identity.query(
    `SELECT "user_id" FROM "Session" WHERE "token_hash" = $1 AND "revoked_at" IS NULL AND "expires_at" > now()`,
    [hashToken(token)],
  )
  if (!rows.length) throw new Refused(401, 'this session is over')
  return rows[0].user_id
}

async function createTask(request) {
  const user = await sessionUser(request)
  const [project, title] = texts(await json(request), 'project', 'title')
  if (!/^[0-9a-f-]{36}$/i.test(project)) throw new Refused(400, 'project is not an id')
  const task = await transaction(tasks, async (client) => {
    // locked: tasks are numbered one after the other
    const { rows } = await client.query('SELECT "organization_id" FROM "Project" WHERE "id" = $1 FOR UPDATE', [project])
    if (!rows.length) throw new Refused(404, 'no such project')
    const { rowCount } = await identity.query(
      'SELECT 1 FROM "Membership" WHERE "organization_id" = $1 AND "user_id" = $2',
      [rows[0].organization_id, user],
    )
    if (!rowCount) throw new Refused(403, "not a member of the project's organization")
    const made = await client.query(
      `INSERT INTO "Task" ("project_id", "assignee_id", "title", "number")
       SELECT $1, $2, $3, coalesce(max("number"), 0) + 1 FROM "Task" WHERE "project_id" = $1 RETURNING "id", "number"`,
      [project, user, title],
    )
    await client.query(`INSERT INTO "Job" ("task_id", "kind") VALUES ($1, 'announce-task')`, [made.rows[0].id])
    await client.query("SELECT pg_notify('jobs', '')")
    return made.rows[0]
  })
  return [201, task]
}

async function ready() {
  await Promise.all([
    identity.query('SELECT FROM "User", "Session", "ApiKey" LIMIT 0'),
    tasks.query('SELECT FROM "Task", "Job" LIMIT 0'),
  ])
  return [200, { ready: true }]
}

const routes = { 'POST /login': login, 'POST /tasks': createTask, 'GET /ready': ready }

const server = http.createServer(async (request, response) => {
  const route = `${request.method} ${request.url}`
  let status = 404
  let body = { error: 'there is nothing here' }
  try {
    if (routes[route]) [status, body] = await routes[route](request)
  } catch (error) {
    status = error.status ?? 503
    body = { error: error.status ? error.message : describe(error) }
    if (!error.status && route !== 'GET /ready') console.log(`${route}: ${describe(error)}`)
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
})

const port = Number(process.env.PORT ?? 8080)
server.listen(port, () => console.log(`the portal listens on port ${port}`))
stopOnSignal(() => server.close(() => process.exit(0)))
