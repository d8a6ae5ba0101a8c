import { defineDriver } from '@forksafe/core'
import { isUrl, keepListeners, openUntilAborted } from '@forksafe/core/methods'
import {
  type CommonRedisOptions,
  Redis,
  type RedisOptions,
  type SentinelAddress,
  type SentinelConnectionOptions,
  type StandaloneConnectionOptions,
} from 'ioredis'
import { inspect } from 'node:util'
import { blockingCommand } from './blocking-commands.ts'
import { checkConnection, expectAddresses, expectName, expectObject } from './check-connection.ts'
import { classify, reasonOf } from './classify.ts'
import { BareConnector, connectorOf, discard } from './connector.ts'
import { isUnexpectedReply } from './internals.ts'
import { redisMethods } from './methods.ts'
import { reset } from './reset.ts'
import { construct, withoutSecrets } from './secrets.ts'
import { BareSentinelConnector } from './sentinels.ts'
import { Session } from './session.ts'

/** The `connection` option: a `redis:` or `rediss:` URL, as a string or a `URL`, or ioredis's options for one server or for sentinels. */
export type RedisConnection =
  string | URL | (Common & (StandaloneConnectionOptions | ThroughSentinels))

/** Options of ioredis for every connection. */
type Common = Omit<CommonRedisOptions, Excluded>
/** Options of ioredis for the server that sentinels name. */
type ThroughSentinels = Omit<
  SentinelConnectionOptions,
  Excluded | 'sentinels' | 'name' | 'path'
> & {
  /** The addresses of at least one sentinel. */
  readonly sentinels: Partial<SentinelAddress>[]
  /** The name by which the sentinels know the master. */
  readonly name: string
}

type GivenOptions = Omit<RedisOptions, 'replyMapping'>

/** Options that the driver sets, and `replyMapping`, which would change the types of the replies. */
type Excluded = 'Connector' | 'enableReadyCheck' | 'lazyConnect' | 'monitor' | 'replyMapping'

/** Defaults that differ from ioredis's: the pool reconnects, unless the options ask ioredis to. */
const DEFAULTS = {
  retryStrategy: null,
  enableOfflineQueue: false,
  sentinelRetryStrategy: () => null,
} satisfies RedisOptions

/**
 * Options that cannot be changed. ioredis's ready check uses `INFO`, which has a long reply and may be forbidden, and repeats it
 * only every second; `create` sends `PING` instead.
 */
const FIXED = {
  enableReadyCheck: false,
  lazyConnect: true,
} satisfies RedisOptions

const sessions = new WeakMap<Redis, Session>()

/** The driver for one Redis server, through ioredis: `createForkSafePool(redisDriver, { connection })`. */
export const redisDriver = defineDriver({
  name: 'redis',

  checkConnection: (connection: RedisConnection) => checkConnection(connection),

  async create(connection: RedisConnection, { signal }): Promise<Redis> {
    signal.throwIfAborted()
    const client = construct(() => clientFor(connection))
    // Without a listener ioredis prints errors. `watch` reports them to the pool.
    client.on('error', () => undefined)
    const failures: Error[] = []
    const fail = (error: Error): void => {
      failures.push(error)
      discard(client)
    }
    // These errors say more than the rejection. For a missing database there is none: ioredis would use database 0.
    client.on('error', fail)
    const connect = async (): Promise<void> => {
      await client.connect()
      await expectServing(client)
    }
    try {
      await openUntilAborted(signal, () => discard(client), connect)
    } catch (error) {
      throw withoutSecrets(
        reasonOf([...failures, error as Error], connectorOf(client).refusal),
      ) as Error
    } finally {
      client.off('error', fail)
    }
    sessions.set(client, new Session(client))
    return client
  },

  async validate(client) {
    await expectServing(client)
    return true
  },

  reset(client, context) {
    if (client.status !== 'ready' || !connectorOf(client).writable) {
      throw new Error('The connection has ended.')
    }
    return reset(client, sessionOf(client), context)
  },

  /** Sends QUIT, unless it could not be answered soon. */
  async destroy(client) {
    const closed = connectorOf(client).closed()
    if (sessionOf(client).unknown !== undefined) discard(client)
    else if (client.status === 'ready' && canQuit(client)) {
      // If it rejects, the connection has ended in another way.
      await client.quit().catch(() => undefined)
    }
    client.disconnect()
    await closed
  },

  discard,

  watch(client, lost) {
    let reason: Error | undefined
    const ended = (): void => lost(reason ?? new Error('The connection ended.'))
    client.on('error', (error) => {
      reason = error
      // The next replies would be taken for those of other commands.
      if (isUnexpectedReply(error)) discard(client)
    })
    client.on('end', ended)
    // The options may ask ioredis to reconnect, for a holder. An idle client that is not connected must not be lent.
    client.on('close', () => {
      if (!connectorOf(client).referenced) ended()
    })
    client.on('ready', () => keepListeners(client.stream))
    keepListeners(client.stream)
    keepListeners(client)
  },

  ref: (client) => connectorOf(client).setReferenced(true),
  unref: (client) => connectorOf(client).setReferenced(false),
  classify,
  methods: redisMethods,
})

/** @throws {TypeError} if the options are invalid, or would make another kind of client. */
function clientFor(target: RedisConnection): Redis {
  const connection = isUrl(target) ? target.href : target
  if (typeof connection !== 'string') expectObject(connection, 'a URL or an object of options')
  const given: GivenOptions = typeof connection === 'string' ? {} : connection
  for (const option of ['Connector', 'monitor'] as const) {
    if (given[option]) {
      throw new TypeError(`Expected connection options without \`${option}\`, got some with it.`)
    }
  }
  if (given.sentinels) {
    expectAddresses('sentinels', given.sentinels)
    expectName('name', given.name)
  }
  const options: GivenOptions = {
    ...DEFAULTS,
    ...given,
    ...FIXED,
    Connector: given.sentinels ? BareSentinelConnector : BareConnector,
  }
  return typeof connection === 'string' ? new Redis(connection, options) : new Redis(options)
}

/**
 * A server that answers PING has loaded its data, accepts this user, and is not a replica without its master. Behind sentinels
 * it must also have the expected role: a failover may have reached it before the sentinels.
 */
async function expectServing(client: Redis): Promise<void> {
  const { sentinels, role: expected = 'master' } = client.options
  const asked = sentinels ? client.role() : undefined
  const [pong, answer] = await Promise.all([client.ping(), asked])
  if (pong !== 'PONG') throw new Error(`Expected the answer "PONG", got ${inspect(pong)}.`)
  if (answer !== undefined && answer[0] !== expected) {
    throw new Error(`Expected a server with the role "${expected}", got a "${String(answer[0])}".`)
  }
}

function canQuit(client: Redis): boolean {
  return sessionOf(client).unresettable === undefined && blockingCommand(client) === undefined
}

function sessionOf(client: Redis): Session {
  const session = sessions.get(client)
  if (session === undefined) throw new Error('Expected a client that this driver opened.')
  return session
}
