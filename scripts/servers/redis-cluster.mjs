// @ts-check
import { localCertificate } from './certificates.mjs'
import { freePort } from './port.mjs'
import { ask, untilAnswered } from './redis-ask.mjs'
import { PROMPT_REPLICATION, startPrivate } from './redis.mjs'

/** @typedef {import('../redis.mjs').RedisServer} RedisServer */

const SLOTS = 16_384
/** The fewest of which those that are left, by a majority, give the place of one to its replica. */
const MASTERS = 3

/** @type {typeof import('../redis.mjs').startRedisCluster} */
export async function startRedisCluster({ tls = false, settings = {} } = {}) {
  /** @type {RedisServer[]} */
  const started = []
  const certificate = tls ? await localCertificate() : undefined
  const start = async () => {
    const bus = await freePort()
    const server = await startPrivate({
      tls,
      certificate,
      settings: {
        'cluster-enabled': 'yes',
        'cluster-port': String(bus),
        ...PROMPT_REPLICATION,
        ...settings,
      },
    })
    started.push(server)
    return { server, bus }
  }
  const stop = async () => void (await Promise.all(started.map((server) => server.stop())))
  try {
    const [first, ...others] = await Promise.all([start(), start(), start(), start()])
    for (const { server, bus } of others) {
      await ask(first.server, `CLUSTER MEET ${server.host} ${server.port} ${bus}`)
    }
    const masters = [first, ...others].slice(0, MASTERS).map(({ server }) => server)
    for (const [index, master] of masters.entries()) {
      const [from, to] = [index, index + 1].map((part) => Math.ceil((part * SLOTS) / MASTERS))
      await ask(master, `CLUSTER ADDSLOTSRANGE ${from} ${Number(to) - 1}`)
    }
    const replica = started.find((server) => !masters.includes(server))
    if (replica === undefined) throw new Error('Expected a server that is no master')
    const [, id] = (await ask(first.server, 'CLUSTER MYID')).split('\r\n')
    await untilAnswered(replica, 'CLUSTER NODES', new RegExp(`^${id} (?!.*handshake)`, 'm'))
    await ask(replica, `CLUSTER REPLICATE ${id}`)
    await untilAnswered(first.server, 'INFO replication', /state=online/)
    for (const server of started) {
      // Each has heard of each, and of who has which slots.
      await untilAnswered(server, 'CLUSTER INFO', /cluster_state:ok[^]*cluster_known_nodes:4/)
      await untilAnswered(server, 'CLUSTER NODES', new RegExp(` (myself,)?slave ${id} `))
    }
    return { masters, replica, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
