import { startMemcached } from '@forksafe/scripts/memcached'
import { testDriver } from '@forksafe/testkit'
import { memcachedDriver } from '../src/memcached/driver.ts'

// The servers exit with this process.
const server = await startMemcached()
const full = await startMemcached({ tls: false, maxConnections: 24 }) // memcached itself uses as many.

await testDriver(memcachedDriver, {
  server: { port: server.port },
  connection: ({ host, port }) => ({ host, port }),
  async echo(client, text) {
    await client.set(text, text)
    return (await client.get(text)) ?? ''
  },
  goodbye: (bytes) => bytes.toString() === 'quit\r\n',
  failures: {
    'a full server': { kind: 'full', connection: () => full },
  },
  without: { reset: 'a memcached keeps nothing for one connection' },
})
