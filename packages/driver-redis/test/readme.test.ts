import { readFileSync } from 'node:fs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { connectionTo, observe } from './support/pools.ts'

test('the snippet in the README works', async () => {
  const snippet = readFileSync(new URL('support/usage.ts', import.meta.url), 'utf8')
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${snippet}\`\`\``)

  const { host, port, username = '', password = '' } = connectionTo()
  vi.stubEnv('REDIS_URL', `redis://${username}:${password}@${host}:${port}`)
  onTestFinished(() => void vi.unstubAllEnvs())
  await observe((redis) => redis.set('visits', 1))
  await import('./support/usage.ts')
  expect(await observe((redis) => redis.get('visits'))).toBe('2')
})
