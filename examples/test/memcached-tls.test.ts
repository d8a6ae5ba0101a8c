import { startMemcached } from '@forksafe/scripts/memcached'
import { testDriver } from '@forksafe/testkit'
import { memcachedDriver } from '../src/memcached/driver.ts'

// The server exits with this process.
const { ca = '', tlsPort: port = 0, port: plainPort } = await startMemcached()

await testDriver(memcachedDriver, {
  name: 'memcached over TLS',
  server: { port },
  connection: ({ host, port }) => ({ host, port, tls: { ca } }),
  async echo(client, text) {
    await client.set(text, text)
    return (await client.get(text)) ?? ''
  },
  failures: {
    'a certificate that nobody vouches for': {
      kind: 'fatal',
      connection: ({ host, port }) => ({ host, port, tls: {} }),
    },
    'a server without TLS': {
      kind: 'transient',
      connection: ({ host }) => ({ host, port: plainPort, tls: { ca } }),
    },
  },
  without: { reset: 'a memcached keeps nothing for one connection' },
})
