import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Tests mostly wait for a server or a child. More workers would need more connections than the servers have.
    maxWorkers: 5,
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
