import { createForkSafePool } from '@forksafe/core'
import { redisClusterDriver } from '@forksafe/driver-redis'

await using pool = createForkSafePool(redisClusterDriver, {
  connection: { nodes: [process.env['REDIS_NODE'] ?? ''] }, // some, as addresses or as { host, port }
})

await pool.set('{visits}:today', 1) // on the node that has its slot
await pool.use(async (cluster) => {
  await cluster.watch('{visits}:today') // that node is this cluster's own
  return cluster.multi().incr('{visits}:today').incr('{visits}:ever').exec()
})
