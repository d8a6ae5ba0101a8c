import { testDriver } from '@forksafe/testkit'
import { pgDriver } from '../src/index.ts'
import { pgOptions } from './support/conformance.ts'
import { transports } from './support/pools.ts'

for (const transport of transports) await testDriver(pgDriver, pgOptions(transport))
