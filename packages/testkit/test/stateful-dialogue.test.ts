import { afterAll } from 'vitest'
import { testDriver } from '../src/index.ts'
import { lineDriver, lineOptions } from './support/line-driver.ts'
import { startLineServer } from './support/line-server.ts'

// As in SMTP: until a reset, the server refuses a new request because the last holder left one half done.

const server = await startLineServer()
afterAll(() => server.stop())

await testDriver(
  {
    ...lineDriver,
    async reset(client, context) {
      if (context === undefined) throw new Error('A pool always passes a context.')
      context.checkProcess()
      await client.keep('')
    },
  },
  {
    ...lineOptions(server.port),
    name: 'of a stateful dialogue',
    async echo(client, text) {
      if (client.kept !== '') throw new Error('Nested request.')
      return client.ask(`echo ${text}`)
    },
  },
)
