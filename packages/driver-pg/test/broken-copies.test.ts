import { testBrokenCopies } from '@forksafe/scripts/broken-copies'
import { pgDriver } from '../src/index.ts'
import { pgOptions } from './support/conformance.ts'

testBrokenCopies(
  pgDriver,
  () => pgOptions('plain'),
  (client) =>
    // Amid a query, pg's own `end()` is as silent as a discard.
    void client.connection.end(),
)
