import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The suite forks its process. A forked child has none of V8's helper threads, so V8 must not wait for them.
    pool: 'forks',
    execArgv: ['--v8-pool-size=1', '--single-threaded'],
  },
})
