import { defineDriver } from '@forksafe/core'
import { Cluster, type ClusterNode, type ClusterOptions, Command, type Redis } from 'ioredis'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { leftBy } from './beyond-reset.ts'
import { classify, reasonOf } from './classify.ts'
import { expectOptions } from './connection.ts'
import { keepListeners } from './listeners.ts'
import { redisMethods } from './methods.ts'
import { named, Nodes, subscriberOf } from './nodes.ts'
import { resetCluster } from './reset.ts'
import { isBuilt, notBuilt } from './session.ts'
import { blockingCommand } from './unanswered.ts'

/** What `connection` may be for a cluster: some of its nodes, and ioredis's own options for a `Cluster`. */
export type RedisClusterConnection = Omit<ClusterOptions, DecidedOfCluster> & {
  /** Those to ask for the others. */
  readonly nodes: ClusterNode[]
  /** For each node: login, TLS. */
  readonly redisOptions?: NodeOptions
}

/** What the driver decides of a cluster. */
type DecidedOfCluster = 'enableReadyCheck' | 'lazyConnect' | 'redisOptions'

/** As ioredis takes them, without what would change the types of what the commands give. */
type NodeOptions = Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>

/** Reconnecting is the pool's; and only a caller knows whether what was under way may be done twice. */
const UNLESS_ASKED = {
  clusterRetryStrategy: null,
  retryDelayOnFailover: 0,
} satisfies ClusterOptions

const states = new WeakMap<Cluster, Nodes>()

/**
 * A Redis Cluster through ioredis: `createForkSafePool(redisClusterDriver, { connection: { nodes } })`. What is lent is a
 * `Cluster` with connections of its own to the nodes. It is lost as soon as one of its masters is.
 */
export const redisClusterDriver = defineDriver({
  name: 'redis-cluster',

  async create(connection: RedisClusterConnection, { signal }): Promise<Cluster> {
    const nodes = new Nodes()
    const cluster = clusterFor(connection, nodes)
    states.set(cluster, nodes)
    const failures: Error[] = []
    const fail = (error: Error, node: string): void => void failures.push(named(error, node))
    cluster.on('node error', fail)
    const abort = (): void => letGo(cluster)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await cluster.connect()
      await expectWhole(cluster)
    } catch (error) {
      letGo(cluster)
      const { failure, refusal } = nodes
      const errors = [...(failure === undefined ? [] : [failure]), ...failures, error as Error]
      throw reasonOf(errors, refusal) as Error
    } finally {
      signal.removeEventListener('abort', abort)
      cluster.off('node error', fail)
    }
    const { slotsRefreshInterval } = connection
    if (slotsRefreshInterval) {
      // ioredis's own timer would hold the process open, and may begin anew when the cluster has been let go of.
      nodes.refreshing = setInterval(() => cluster.refreshSlotsCache(), slotsRefreshInterval)
      nodes.refreshing.unref()
    }
    return cluster
  },

  async validate(cluster) {
    await expectWhole(cluster)
    return true
  },

  reset(cluster, context) {
    if (cluster.status !== 'ready') throw new Error('The connections have ended.')
    return resetCluster(cluster, nodesOf(cluster), context)
  },

  /** With a goodbye to each node where there is hope of an answer. */
  async destroy(cluster) {
    const nodes = nodesOf(cluster)
    clearInterval(nodes.refreshing)
    const heard = cluster.nodes().filter((node) => node.status === 'ready' && isHeard(node, nodes))
    await Promise.all(heard.map((node) => node.quit().catch(() => undefined)))
    const subscriber = subscriberOf(cluster)
    disconnect(cluster)
    await nodes.end()
    if (subscriber?.closed === false) await once(subscriber, 'close')
  },

  discard: letGo,

  watch(cluster, lost) {
    let reason: Error | undefined
    cluster.on('node error', (error: Error, node: string) => (reason = named(error, node)))
    const watchNode = (node: Redis): void => {
      node.once('close', () => {
        // One that has left the cluster is no loss, nor one that ioredis was asked to connect to again.
        if (node.status !== 'end' || !cluster.nodes('master').includes(node)) return
        const { host, port } = node.options
        lost(reason ?? new Error(`The connection to the master ${host}:${port} ended.`))
      })
      // ioredis has not added all of its own yet.
      queueMicrotask(() => keepListeners(node))
    }
    for (const node of cluster.nodes()) watchNode(node)
    cluster.on('+node', watchNode)
    cluster.on('end', () => lost(reason ?? new Error('The connections ended.')))
    keepListeners(cluster)
  },

  ref: (cluster) => nodesOf(cluster).hold(true),
  unref: (cluster) => nodesOf(cluster).hold(false),
  classify,
  methods: redisMethods<Cluster>,
})

/** @throws {TypeError} where there is nobody to ask. */
function clusterFor(connection: RedisClusterConnection, nodes: Nodes): Cluster {
  expectOptions(connection, 'an object with `nodes`')
  const { nodes: known, slotsRefreshInterval: _, ...asked } = connection
  if (!Array.isArray(known) || known.length === 0) {
    throw new TypeError(`Expected \`nodes\` to be a list of addresses, got ${inspect(known)}.`)
  }
  const { Connector } = nodes
  const redisOptions: NodeOptions = { ...asked.redisOptions, enableReadyCheck: false, Connector }
  const cluster = new Cluster(known, {
    ...UNLESS_ASKED,
    ...asked,
    enableReadyCheck: false,
    lazyConnect: true,
    redisOptions,
  })
  // Without a listener ioredis prints its errors. `watch` tells the pool of them.
  cluster.on('error', () => undefined)
  cluster.on('+node', (node: Redis) => nodes.observe(node))
  const send = cluster.sendCommand.bind(cluster)
  cluster.sendCommand = (command, stream, node) => {
    nodes.beyondReset ??= leftOnAll(command)
    if (!isBuilt(command) && stream === undefined) {
      nodes.unknown ??= notBuilt(command)
      return command.promise
    }
    return send(command, stream, node)
  }
  return cluster
}

/** What a command leaves behind that is not on a connection to one node, or is on all of them. */
function leftOnAll(command: Command): string | undefined {
  if (Command.checkFlag('ENTER_SUBSCRIBER_MODE', command.name)) return command.name.toUpperCase()
  return command.name.toLowerCase() === 'himport' ? leftBy(command) : undefined
}

/** Every master answers, and holds the cluster to be able to serve. */
async function expectWhole(cluster: Cluster): Promise<void> {
  await Promise.all(
    cluster.nodes('master').map(async (node) => {
      const [, info] = await Promise.all([node.ping(), node.cluster('INFO')])
      const [, state] = /^cluster_state:(\w+)/m.exec(info) ?? []
      if (state === 'ok') return
      const { host, port } = node.options
      throw new Error(`Expected the cluster to be ok, but ${host}:${port} says "${state}".`)
    }),
  )
}

/** The bare sockets go, and ioredis is told that this is the end. */
function letGo(cluster: Cluster): void {
  const nodes = states.get(cluster)
  clearInterval(nodes?.refreshing)
  nodes?.letGo()
  subscriberOf(cluster)?.destroy()
  disconnect(cluster)
}

function disconnect(cluster: Cluster): void {
  if (!['disconnecting', 'close', 'end'].includes(cluster.status)) cluster.disconnect()
}

function isHeard(node: Redis, { sessions }: Nodes): boolean {
  const session = sessions.get(node)
  return (
    session?.beyondReset === undefined &&
    session?.unknown === undefined &&
    blockingCommand(node) === undefined
  )
}

function nodesOf(cluster: Cluster): Nodes {
  const nodes = states.get(cluster)
  if (nodes === undefined) throw new Error('Expected a cluster that this driver made.')
  return nodes
}
