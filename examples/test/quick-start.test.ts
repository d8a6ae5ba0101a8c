import { startPostgres } from '@forksafe/scripts/postgres'
import { expect, test } from 'vitest'

test('the quick start runs on a real server', async () => {
  await using server = await startPostgres()
  process.env['DATABASE_URL'] = server.url
  await expect(import('../src/quick-start.ts')).resolves.toBeDefined()
})
