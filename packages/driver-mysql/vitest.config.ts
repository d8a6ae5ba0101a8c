import { mergeConfig } from 'vitest/config'
import shared from '../../vitest.project.ts'

export default mergeConfig(shared, {
  test: {
    name: 'driver-mysql',
    globalSetup: ['test/support/server.ts'],
    // A busy machine is no failure.
    expect: { poll: { timeout: 10_000 } },
  },
})
