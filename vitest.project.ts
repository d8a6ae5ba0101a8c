import { defineProject } from 'vitest/config'
import { mutation } from './scripts/mutation/plugin.ts'

/** What every package's tests have in common. Workspace packages resolve to their sources. */
export default defineProject({
  plugins: mutation(),
  resolve: { conditions: ['@forksafe/source'] },
  ssr: { resolve: { conditions: ['@forksafe/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // V8's helper threads do not exist in a forked child: nothing may wait for them. A pool size of 0 means many.
    execArgv: ['--expose-gc', '--v8-pool-size=1', '--single-threaded'],
    // A busy machine is slow, not wrong.
    testTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
    hookTimeout: 120_000,
  },
})
