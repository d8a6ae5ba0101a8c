import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Most of a test is waiting for a server or a child. More would want more of the servers than they have.
    maxWorkers: 2,
    projects: ['packages/*', 'scripts', 'examples', 'libraries', 'docs'],
    // `npm run coverage`. Core alone: what forks cannot be measured.
    coverage: {
      provider: 'v8',
      include: ['packages/core/src/**'],
      exclude: ['packages/core/src/index.ts'], // Nothing but exports.
      reporter: ['text', 'html'],
      thresholds: { 100: true },
    },
  },
})
