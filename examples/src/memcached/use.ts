import { createForkSafePool } from '@forksafe/core'
import { memcachedDriver } from './driver.ts'

const port = Number(process.env.MEMCACHED_PORT ?? 11211)
await using pool = createForkSafePool(memcachedDriver, {
  connection: { host: '127.0.0.1', port }, // the type of `create`'s first argument
  max: 4,
})

await pool.set('greeting', 'hello', 60) // a method of the driver, on any free connection
const greeting: string | undefined = await pool.get('greeting')
const version = await pool.use((client) => client.version()) // the resource, borrowed for the callback
console.log(greeting, version)
