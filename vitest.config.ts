import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: ['packages/*', 'scripts', 'examples'],
    coverage: { provider: 'v8', include: ['packages/*/src/**'], reporter: ['text', 'html'] },
  },
})
