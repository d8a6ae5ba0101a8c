import { testBrokenCopies } from '@forksafe/scripts/broken-copies'
import { redisDriver } from '../src/index.ts'
import { redisOptions } from './support/conformance.ts'

testBrokenCopies(
  redisDriver,
  () => redisOptions('plain'),
  (client) => void client.quit().catch(() => undefined),
)
