import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The suite forks its process, and V8's helper threads do not exist in a forked child: nothing may wait for them.
    pool: 'forks',
    execArgv: ['--v8-pool-size=1', '--single-threaded'],
  },
})
