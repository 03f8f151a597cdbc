// What the three smoke tests share. Each prints one line at its end and exits with 0 or 1.
import { randomUUID } from 'node:crypto'
import { describe, hashPassword, pool } from '../apps/lib.mjs'

export { randomUUID }
export const portal = process.env.PORTAL_URL || 'http://portal.shop.svc:8080'
const limit = 30 // seconds

// Says what was expected and what came.
export function expect(what, wanted, found) {
  if (wanted !== found) throw new Error(`expected ${what} to be ${wanted}, and it is ${found}`)
}

// What `cleanUp` is given is done in any case, last first. `test` returns what it proved.
const undo = []
export const cleanUp = (work) => undo.push(work)

export async function smokeTest(name, test) {
  const began = Date.now()
  const seconds = () => ((Date.now() - began) / 1000).toFixed(1)
  const late = setTimeout(() => {
    console.log(`${name} FAILED: expected an end within ${limit} s, and none came`)
    process.exit(1)
  }, limit * 1000)
  let line
  try {
    const proved = await test()
    line = `${name} passed in ${seconds()} s: ${proved}`
  } catch (error) {
    process.exitCode = 1
    line = `${name} FAILED after ${seconds()} s: ${describe(error)}`
  }
  for (const work of undo.reverse()) {
    await work().catch((error) => {
      process.exitCode = 1
      line += `; and its rows are not cleaned up: ${describe(error)}`
    })
  }
  clearTimeout(late)
  console.log(line)
  process.exit()
}

export async function call(method, path, body, token) {
  const request = {
    method,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    signal: AbortSignal.timeout(6000),
  }
  const response = await fetch(portal + path, request).catch((error) => {
    throw new Error(`expected ${method} ${portal}${path} to answer, and it does not: ${describe(error.cause ?? error)}`)
  })
  const answer = await response.json().catch(() => ({}))
  return { status: response.status, answer, text: `${response.status}${answer.error ? ` (${answer.error})` : ''}` }
}

// A user of an organization of his own, who may log in; gone with it.
export async function makeUser() {
  const identity = pool('IDENTITY_DATABASE_URL', 'smoke', 1)
  const user = { id: randomUUID(), organization: randomUUID(), password: randomUUID() }
  user.email = `smoke-${user.id}@shop.example`
  cleanUp(async () => {
    await identity.query('DELETE FROM "User" WHERE "id" = $1', [user.id])
    await identity.query('DELETE FROM "Organization" WHERE "id" = $1', [user.organization])
  })
  await identity.query('INSERT INTO "Organization" ("id", "slug", "name") VALUES ($1, $2, $2)', [
    user.organization,
    `smoke-${user.organization}`,
  ])
  await identity.query('INSERT INTO "User" ("id", "email", "email_normalized", "name") VALUES ($1, $2, $2, $3)', [
    user.id,
    user.email,
    'Smoke Test',
  ])
  await identity.query(`INSERT INTO "Membership" ("organization_id", "user_id", "role") VALUES ($1, $2, 'EDITOR')`, [
    user.organization,
    user.id,
  ])
  await identity.query(
    `INSERT INTO "ApiKey" ("organization_id", "created_by", "label", "prefix", "secret_hash", "scopes")
     VALUES ($1, $2, 'smoke', $3, $4, '{login}')`,
    [user.organization, user.id, user.id.slice(0, 8), await hashPassword(user.password)],
  )
  return { identity, user }
}

export async function makeProject(organization) {
  const tasks = pool('TASKS_DATABASE_URL', 'smoke', 2)
  const project = randomUUID()
  cleanUp(async () => {
    await tasks.query('DELETE FROM "Job" USING "Task" WHERE "task_id" = "Task"."id" AND "project_id" = $1', [project])
    await tasks.query('DELETE FROM "Project" WHERE "id" = $1', [project])
  })
  await tasks.query('INSERT INTO "Project" ("id", "organization_id", "name") VALUES ($1, $2, $3)', [
    project,
    organization,
    `smoke-${project}`,
  ])
  return { tasks, project }
}
