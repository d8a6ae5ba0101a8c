import { text } from 'node:stream/consumers'
import { connect } from 'node:net'
import { startRedisCluster, startSentinel } from '@forksafe/scripts/redis'
import { expect, it, onTestFinished } from 'vitest'

/** Returns the server's answer to a command. */
async function ask({ port }: { port: number }, command: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.end(`${command}\r\n`)
  return text(socket)
}

it('a sentinel knows the master and a replica that can replace it, and all three can be stopped', async () => {
  const servers = await startSentinel()
  onTestFinished(() => servers.stop())
  const { name, master, replica, sentinel } = servers
  expect(await ask(sentinel, `SENTINEL GET-MASTER-ADDR-BY-NAME ${name}`)).toContain(
    `${master.port}`,
  )
  expect(await ask(sentinel, `SENTINEL REPLICAS ${name}`)).toContain(`${replica.port}`)
  expect(await ask(sentinel, `SENTINEL CKQUORUM ${name}`)).toMatch(/^\+OK/)
  await Promise.all([servers.stop(), servers.stop()])
  for (const server of [master, replica, sentinel]) {
    await expect(ask(server, 'PING')).rejects.toThrow(/ECONNREFUSED/)
  }
})

it('a cluster serves every slot, and each node knows of the replica', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  const { masters, replica } = cluster
  expect(masters).toHaveLength(3)
  for (const node of [...masters, replica]) {
    const state = await ask(node, 'CLUSTER INFO')
    expect(state).toContain('cluster_state:ok')
    expect(state).toContain('cluster_slots_ok:16384')
    expect(await ask(node, 'CLUSTER NODES')).toMatch(
      new RegExp(`:${replica.port}@\\S+ (myself,)?slave`),
    )
  }
})
