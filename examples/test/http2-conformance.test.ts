import { startMemcached } from '@forksafe/scripts/memcached'
import { testDriver } from '@forksafe/testkit'
import { afterAll } from 'vitest'
import { http2Driver } from '../src/http2/driver.ts'
import { http2Suite, startHttp2 } from './support/http2.ts'

const server = await startHttp2()
const other = await startMemcached({ tls: false })
afterAll(() => server.stop())

const GOAWAY = 7

await testDriver(http2Driver, {
  ...http2Suite,
  server,
  connection: ({ host, port }) => ({ host, port }),
  goodbye: (bytes) => bytes[3] === GOAWAY, // The type of the first frame.
  failures: {
    'a server that does not speak HTTP/2': { kind: 'transient', connection: () => other },
  },
})
