import { localCertificate } from '../certificates.ts'
import { freePort } from '../port.ts'
import { ask, untilAnswered } from './ask.ts'
import { PROMPT_REPLICATION, type RedisServer, startPrivate } from './redis.ts'

/** How a cluster is made. */
export interface ClusterOptions {
  /** Every node serves TLS too, all with one certificate, but announces only the ports without. Default false. */
  tls?: boolean
  /** Lines for the `redis.conf` of each. */
  settings?: Record<string, string>
}

/** A running cluster, the smallest in which a master is replaced. */
export interface RedisCluster extends AsyncDisposable {
  /** Three, each with a third of the slots. */
  readonly masters: RedisServer[]
  /** The replica of the first master. */
  readonly replica: RedisServer
  /** Stops all of them. May be called again. */
  stop(): Promise<void>
}

const SLOTS = 16_384
/** The fewest with which a majority is left to replace one by its replica. */
const MASTERS = 3

/**
 * Starts a private cluster, whose nodes all know each other. Needs Redis 7.
 * @throws as `startRedis` does.
 */
export async function startRedisCluster({
  tls = false,
  settings = {},
}: ClusterOptions = {}): Promise<RedisCluster> {
  const started: RedisServer[] = []
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
  const stop = async (): Promise<void> =>
    void (await Promise.all(started.map((server) => server.stop())))
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
      // Each knows the others, and who has which slots.
      await untilAnswered(server, 'CLUSTER INFO', /cluster_state:ok[^]*cluster_known_nodes:4/)
      await untilAnswered(server, 'CLUSTER NODES', new RegExp(` (myself,)?slave ${id} `))
    }
    return { masters, replica, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
