import { testBrokenCopies } from '@forksafe/scripts/broken-copies'
import { mysqlDriver } from '../src/index.ts'
import { mysqlOptions } from './support/conformance.ts'

testBrokenCopies(
  mysqlDriver,
  () => mysqlOptions('plain'),
  (client) => void client.end().catch(() => undefined),
)
