import { testDriver } from '@forksafe/testkit'
import { pgDriver, pgDriverWith } from '../src/index.ts'
import { pgOptions } from './support/conformance.ts'
import { transports } from './support/pools.ts'
import { noSharing } from './support/sharing.ts'

for (const transport of transports) await testDriver(pgDriver, pgOptions(transport))

for (const transport of transports) {
  const options = pgOptions(transport)
  const name = `${options.name}, shared`
  const without = { ...options.without, ...(noSharing && { share: noSharing }) }
  await testDriver(pgDriverWith({ share: 'reads' }), { ...options, name, without })
}
