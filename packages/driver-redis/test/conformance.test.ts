import { testDriver } from '@forksafe/testkit'
import { redisDriver } from '../src/index.ts'
import { redisOptions } from './support/conformance.ts'
import { transports } from './support/pools.ts'

for (const transport of transports) await testDriver(redisDriver, redisOptions(transport))
