import { testDriver } from '../src/index.ts'
import { lineOptions, sharingLineDriver } from './support/line-driver.ts'
import { startLineServer } from './support/line-server.ts'
import { afterAll } from 'vitest'

const server = await startLineServer()
afterAll(() => server.stop())

await testDriver(sharingLineDriver, lineOptions(server.port))
