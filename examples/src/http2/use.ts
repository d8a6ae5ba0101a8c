import { createForkSafePool } from '@forksafe/core'
import { http2Driver } from './driver.ts'

const port = Number(process.env.HTTP2_PORT ?? 8080)
await using pool = createForkSafePool(http2Driver, {
  connection: { host: '127.0.0.1', port },
  max: 4,
})

const { status, body } = await pool.request({ path: '/echo/hello' })
console.log(status, body)
