import { defineDriver } from '@forksafe/core'
import { keepListeners, openUntilAborted } from '@forksafe/core/methods'
import { Cluster, type ClusterNode, type ClusterOptions, Command, type Redis } from 'ioredis'
import { once } from 'node:events'
import { blockingCommand } from './blocking-commands.ts'
import { checkConnection, expectAddresses, expectObject } from './check-connection.ts'
import { classify, reasonOf } from './classify.ts'
import { ClusterNodes, withNode } from './cluster-nodes.ts'
import { isBuilt, subscriberSocket } from './internals.ts'
import { unresettableCommand } from './unresettable-commands.ts'
import { redisMethods } from './methods.ts'
import { resetCluster } from './reset.ts'
import { construct, withoutSecrets } from './secrets.ts'
import { argumentsError } from './session.ts'

/** The `connection` option for a cluster: some of its nodes, and ioredis's options for a `Cluster`. */
export type RedisClusterConnection = Omit<ClusterOptions, ExcludedForCluster> & {
  /** The nodes that are asked for the others: at least one. */
  readonly nodes: ClusterNode[]
  /** Options for the connection to each node, such as its password and TLS. */
  readonly redisOptions?: NodeOptions
}

/** Options of a cluster that the driver sets or declares itself. */
type ExcludedForCluster = 'enableReadyCheck' | 'lazyConnect' | 'redisOptions'

/** ioredis's options for a node, without `replyMapping`, which would change the types of the replies. */
type NodeOptions = Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>

/**
 * Defaults that differ from ioredis's: the pool reconnects, and only the caller knows whether a command may be executed
 * twice.
 */
const DEFAULTS = {
  clusterRetryStrategy: null,
  retryDelayOnFailover: 0,
} satisfies ClusterOptions

const states = new WeakMap<Cluster, ClusterNodes>()

/**
 * The driver for a Redis Cluster, through ioredis: `createForkSafePool(redisClusterDriver, { connection: { nodes } })`. It lends
 * a `Cluster` with its own connections to the nodes, which is lost once the connection to any master is.
 */
export const redisClusterDriver = defineDriver({
  name: 'redis-cluster',

  checkConnection: (connection: RedisClusterConnection) => checkConnection(connection),

  async create(connection: RedisClusterConnection, { signal }): Promise<Cluster> {
    const nodes = new ClusterNodes()
    const cluster = construct(() => clusterFor(connection, nodes))
    states.set(cluster, nodes)
    const failures: Error[] = []
    const fail = (error: Error, node: string): void => void failures.push(withNode(error, node))
    cluster.on('node error', fail)
    const connect = async (): Promise<void> => {
      await cluster.connect()
      await expectServing(cluster)
    }
    try {
      await openUntilAborted(signal, () => discard(cluster), connect)
    } catch (error) {
      const { failure, refusal } = nodes
      const errors = [...(failure === undefined ? [] : [failure]), ...failures, error as Error]
      throw withoutSecrets(reasonOf(errors, refusal)) as Error
    } finally {
      cluster.off('node error', fail)
    }
    const { slotsRefreshInterval } = connection
    if (slotsRefreshInterval) {
      // ioredis's own timer would keep the process alive, and may restart after the cluster was discarded.
      nodes.refreshing = setInterval(() => cluster.refreshSlotsCache(), slotsRefreshInterval)
      nodes.refreshing.unref()
    }
    return cluster
  },

  async validate(cluster) {
    await expectServing(cluster)
    return true
  },

  reset(cluster, context) {
    if (cluster.status !== 'ready') throw new Error('The connections have ended.')
    return resetCluster(cluster, nodesOf(cluster), context)
  },

  /** Sends QUIT to each node that can answer it soon. */
  async destroy(cluster) {
    const nodes = nodesOf(cluster)
    clearInterval(nodes.refreshing)
    const open = cluster.nodes().filter((node) => node.status === 'ready' && canQuit(node, nodes))
    await Promise.all(open.map((node) => node.quit().catch(() => undefined)))
    const subscriber = subscriberSocket(cluster)
    disconnect(cluster)
    await nodes.end()
    if (subscriber?.closed === false) await once(subscriber, 'close')
  },

  discard,

  watch(cluster, lost) {
    let reason: Error | undefined
    cluster.on('node error', (error: Error, node: string) => (reason = withNode(error, node)))
    const watchNode = (node: Redis): void => {
      node.once('close', () => {
        // Ignores a node that has left the cluster, and one to which the options ask ioredis to reconnect.
        if (node.status !== 'end' || !cluster.nodes('master').includes(node)) return
        const { host, port } = node.options
        lost(reason ?? new Error(`The connection to the master ${host}:${port} ended.`))
      })
      // ioredis adds more listeners in this turn.
      queueMicrotask(() => keepListeners(node))
    }
    for (const node of cluster.nodes()) watchNode(node)
    cluster.on('+node', watchNode)
    cluster.on('end', () => lost(reason ?? new Error('The connections ended.')))
    keepListeners(cluster)
  },

  ref: (cluster) => nodesOf(cluster).setReferenced(true),
  unref: (cluster) => nodesOf(cluster).setReferenced(false),
  classify,
  methods: redisMethods<Cluster>,
})

/** @throws {TypeError} if `connection` names no node. */
function clusterFor(connection: RedisClusterConnection, nodes: ClusterNodes): Cluster {
  expectObject(connection, 'an object with `nodes`')
  const { nodes: known, slotsRefreshInterval: _, ...given } = connection
  expectAddresses('nodes', known)
  const { Connector } = nodes
  const redisOptions: NodeOptions = { ...given.redisOptions, enableReadyCheck: false, Connector }
  const cluster = new Cluster(known, {
    ...DEFAULTS,
    ...given,
    enableReadyCheck: false,
    lazyConnect: true,
    redisOptions,
  })
  // Without a listener ioredis prints errors. `watch` reports them to the pool.
  cluster.on('error', () => undefined)
  cluster.on('+node', (node: Redis) => nodes.observe(node))
  const send = cluster.sendCommand.bind(cluster)
  cluster.sendCommand = (command, stream, node) => {
    nodes.unresettable ??= unresettableForAll(command)
    if (!isBuilt(command) && stream === undefined) {
      nodes.unknown ??= argumentsError(command)
      return command.promise
    }
    return send(command, stream, node)
  }
  return cluster
}

/** Returns the name of a command that cannot be reset and affects the subscriber's connection or all nodes. */
function unresettableForAll(command: Command): string | undefined {
  if (Command.checkFlag('ENTER_SUBSCRIBER_MODE', command.name)) return command.name.toUpperCase()
  return command.name.toLowerCase() === 'himport' ? unresettableCommand(command) : undefined
}

/** Expects every master to answer and to report `cluster_state:ok`. */
async function expectServing(cluster: Cluster): Promise<void> {
  await Promise.all(
    cluster.nodes('master').map(async (node) => {
      const [, info] = await Promise.all([node.ping(), node.cluster('INFO')])
      const [, state] = /^cluster_state:(\w+)/m.exec(info) ?? []
      if (state === 'ok') return
      const { host, port } = node.options
      throw new Error(`Expected \`cluster_state:ok\` from ${host}:${port}, got "${state}".`)
    }),
  )
}

/** Destroys the bare sockets silently, and stops ioredis from reconnecting. */
function discard(cluster: Cluster): void {
  const nodes = states.get(cluster)
  clearInterval(nodes?.refreshing)
  nodes?.discard()
  subscriberSocket(cluster)?.destroy()
  disconnect(cluster)
}

function disconnect(cluster: Cluster): void {
  if (!['disconnecting', 'close', 'end'].includes(cluster.status)) cluster.disconnect()
}

function canQuit(node: Redis, { sessions }: ClusterNodes): boolean {
  const session = sessions.get(node)
  return (
    session?.unresettable === undefined &&
    session?.unknown === undefined &&
    blockingCommand(node) === undefined
  )
}

function nodesOf(cluster: Cluster): ClusterNodes {
  const nodes = states.get(cluster)
  if (nodes === undefined) throw new Error('Expected a cluster that this driver opened.')
  return nodes
}
