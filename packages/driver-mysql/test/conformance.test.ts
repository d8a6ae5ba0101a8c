import { testDriver } from '@forksafe/testkit'
import { mysqlDriver } from '../src/index.ts'
import { mysqlOptions } from './support/conformance.ts'
import { transports } from './support/pools.ts'

for (const transport of transports) await testDriver(mysqlDriver, mysqlOptions(transport))
