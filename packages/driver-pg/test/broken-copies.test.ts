import { testBrokenCopies } from '@forksafe/scripts/broken-copies'
import { pgDriver } from '../src/index.ts'
import { pgOptions } from './support/conformance.ts'

testBrokenCopies(
  pgDriver,
  () => pgOptions('plain'),
  (client) => {
    // In the middle of a query, pg's own `end()` is as silent as a discard. Unlike its type says, this one returns a value.
    client.connection.end()
  },
)
