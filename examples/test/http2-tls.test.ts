import { testDriver } from '@forksafe/testkit'
import { afterAll } from 'vitest'
import { http2Driver } from '../src/http2/driver.ts'
import { http2Suite, startHttp2 } from './support/http2.ts'

const server = await startHttp2({ tls: true })
afterAll(() => server.stop())
const { ca = '' } = server

await testDriver(http2Driver, {
  ...http2Suite,
  name: 'HTTP/2 over TLS',
  server,
  connection: ({ host, port }) => ({ host, port, tls: { ca } }),
  failures: {
    'a certificate that nobody vouches for': {
      kind: 'fatal',
      connection: ({ host, port }) => ({ host, port, tls: {} }),
    },
  },
})
