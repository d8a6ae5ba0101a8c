import { testBrokenCopies } from '@forksafe/scripts/broken-copies'
import { pgDriver } from '../src/index.ts'
import { pgOptions } from './support/conformance.ts'

testBrokenCopies(
  pgDriver,
  () => pgOptions('plain'),
  // In the middle of a query, pg's own `end()` is as silent as a discard.
  (client) => client.connection.end(),
)
