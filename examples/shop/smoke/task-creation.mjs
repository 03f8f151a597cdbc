// A user who is logged in makes two tasks in the portal: they stand in the database, numbered; without a session there is
// none.
import { call, expect, makeProject, makeUser, smokeTest } from './lib.mjs'

await smokeTest('task-creation', async () => {
  const { user } = await makeUser()
  const { tasks, project } = await makeProject(user.organization)
  const login = await call('POST', '/login', { email: user.email, password: user.password })
  expect('the answer to the login', '200', login.text)
  for (const number of [1, 2]) {
    const created = await call('POST', '/tasks', { project, title: `smoke ${number}` }, login.answer.token)
    expect('the answer to a new task', '201', created.text)
    expect('the number of the task', number, created.answer.number)
    const { rows } = await tasks.query('SELECT "title", "status", "assignee_id" FROM "Task" WHERE "id" = $1', [
      created.answer.id,
    ])
    expect('the task in the database', `smoke ${number} OPEN ${user.id}`, Object.values(rows[0] ?? {}).join(' '))
  }
  const without = await call('POST', '/tasks', { project, title: 'smoke' })
  expect('the answer to a new task without a session', 401, without.status)
  return 'two tasks were made and stand in the database; without a session it was refused'
})
