import { createForkSafePool } from '@forksafe/core'
import { http2Driver } from './http2/driver.ts'

const port = Number(process.env.HTTP2_PORT ?? 8080)
// #region share
await using pool = createForkSafePool(http2Driver, {
  connection: { host: '127.0.0.1', port },
  max: 2, // sessions
  maxInFlight: 16, // requests at once on one of them
})

const paths = Array.from({ length: 100 }, (_, number) => `/echo/${number}`)
const answers = await Promise.all(
  paths.map((path) => pool.share((client) => client.request({ path }))),
)
console.log(answers.length, pool.stats.size)
// #endregion share
