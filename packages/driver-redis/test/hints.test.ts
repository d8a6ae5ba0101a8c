import { createForkSafePool } from '@forksafe/core'
import { expect, test } from 'vitest'
import { redisClusterDriver, redisDriver } from '../src/index.ts'
import { connectionTo, openPool } from './support/pools.ts'

test.each([
  ['max', 'put it next to `connection`'],
  ['min', 'put it next to `connection`'],
  ['connectionLimit', 'did you mean `max`?'],
])('an option of the pool in `connection` is refused: %s', (option, advice) => {
  const connection = { ...connectionTo(), [option]: 5 }
  const create = (): unknown => createForkSafePool(redisDriver, { connection })
  expect(create).toThrow(`Expected no \`${option}\` in \`connection\``)
  expect(create).toThrow(advice)
  const nodes = [connectionTo()]
  const createCluster = (): unknown =>
    createForkSafePool(redisClusterDriver, { connection: { nodes, [option]: 5 } })
  expect(createCluster).toThrow(`Expected no \`${option}\` in \`connection\``)
  expect(createCluster).toThrow(advice)
})

test('`connection` may be a `URL`', async () => {
  const { host, port, username, password } = connectionTo()
  const url = new URL(`redis://${host}:${port}`)
  url.username = username ?? ''
  url.password = password ?? ''
  expect(await openPool(url).ping()).toBe('PONG')
})
