// A user logs in to the portal: the right password gives a session that stands in the database, a wrong one does not.
import { call, expect, makeUser, smokeTest } from './lib.mjs'

await smokeTest('portal-login', async () => {
  const { identity, user } = await makeUser()
  const right = await call('POST', '/login', { email: user.email, password: user.password })
  expect("the answer to a login with the user's password", '200', right.text)
  expect('the user of the session', user.id, right.answer.user)
  const { rows } = await identity.query(
    'SELECT count(*)::int AS live FROM "Session" WHERE "user_id" = $1 AND "token_hash" = sha256($2) AND "expires_at" > now()',
    [user.id, Buffer.from(String(right.answer.token))],
  )
  expect('the number of live sessions with the token', 1, rows[0].live)
  const wrong = await call('POST', '/login', { email: user.email, password: `${user.password}x` })
  expect('the answer to a login with a wrong password', 401, wrong.status)
  return 'a user logged in and has a session; a wrong password was refused'
})
