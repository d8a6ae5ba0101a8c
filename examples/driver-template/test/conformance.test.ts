import { testDriver } from '@forksafe/testkit'
import { afterAll } from 'vitest'
import { lineDriver } from '../src/index.ts'
import { startServer } from './server.ts'

const server = await startServer()
afterAll(() => server.stop())

await testDriver(lineDriver, {
  server: { port: server.port },
  connection: ({ host, port }) => ({ host, port, password: 'secret' }),
  echo: (client, text) => client.ask(`echo ${text}`),
  session: {
    leave: (client) => client.ask('name somebody'),
    left: async (client) => (await client.ask('who')) !== 'nobody',
  },
  failures: {
    'a wrong password': {
      kind: 'fatal',
      connection: ({ host, port }) => ({ host, port, password: 'wrong' }),
    },
  },
  goodbye: (bytes) => bytes.toString() === 'quit\n',
})
