import { defineDriver } from '@forksafe/core'
import {
  type CommonRedisOptions,
  Redis,
  type RedisOptions,
  type SentinelAddress,
  type SentinelConnectionOptions,
  type StandaloneConnectionOptions,
} from 'ioredis'
import { inspect } from 'node:util'
import { classify, reasonOf } from './classify.ts'
import { expectOptions } from './connection.ts'
import { BareConnector, connectorOf, letGo } from './connector.ts'
import { keepListeners } from './listeners.ts'
import { redisMethods } from './methods.ts'
import { reset } from './reset.ts'
import { SentinelledConnector } from './sentinels.ts'
import { Session } from './session.ts'
import { blockingCommand } from './unanswered.ts'

/**
 * What `connection` may be: a `redis:` or `rediss:` URL, ioredis's own options for a connection to one server, or its
 * options for the server that sentinels name.
 */
export type RedisConnection = string | (Common & (StandaloneConnectionOptions | Sentinelled))

/** What is ioredis's for each. */
type Common = Omit<CommonRedisOptions, Decided>
/** Where the sentinels are, and what they are asked for. */
type Sentinelled = Omit<SentinelConnectionOptions, Decided | 'sentinels' | 'name' | 'path'> & {
  readonly sentinels: Partial<SentinelAddress>[]
  /** Of the master, as the sentinels know it. */
  readonly name: string
}

type Asked = Omit<RedisOptions, 'replyMapping'>

/** What the driver decides, and `replyMapping`, which changes the types of what the commands give. */
type Decided = 'Connector' | 'enableReadyCheck' | 'lazyConnect' | 'monitor' | 'replyMapping'

/** Reconnecting is the pool's, unless it is asked of ioredis. */
const UNLESS_ASKED = {
  retryStrategy: null,
  enableOfflineQueue: false,
  sentinelRetryStrategy: () => null,
} satisfies RedisOptions

/** `INFO` is a long answer, which not every user may ask for and which ioredis waits for a second at a time: see `create`. */
const OURS = {
  enableReadyCheck: false,
  lazyConnect: true,
} satisfies RedisOptions

const sessions = new WeakMap<Redis, Session>()

/** Redis through ioredis: `createForkSafePool(redisDriver, { connection })`. */
export const redisDriver = defineDriver({
  name: 'redis',

  async create(connection: RedisConnection, { signal }): Promise<Redis> {
    signal.throwIfAborted()
    const client = clientFor(connection)
    // Without a listener ioredis prints its errors. `watch` tells the pool of them.
    client.on('error', () => undefined)
    const failures: Error[] = []
    const fail = (error: Error): void => {
      failures.push(error)
      letGo(client)
    }
    // Says more than the rejection; and that there is no such database is no rejection: ioredis would go on in another.
    client.on('error', fail)
    const abort = (): void => letGo(client)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await client.connect()
      await expectServing(client)
    } catch (error) {
      letGo(client)
      throw reasonOf([...failures, error as Error], connectorOf(client).refusal) as Error
    } finally {
      signal.removeEventListener('abort', abort)
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

  /** With a goodbye, where there is hope of an answer. */
  async destroy(client) {
    const closed = connectorOf(client).closed()
    if (sessionOf(client).unknown !== undefined) letGo(client)
    else if (client.status === 'ready' && isHeard(client)) {
      // If it is not answered, the connection has ended some other way, which is all that is wanted.
      await client.quit().catch(() => undefined)
    }
    client.disconnect()
    await closed
  },

  discard: letGo,

  watch(client, lost) {
    let reason: Error | undefined
    const ended = (): void => lost(reason ?? new Error('The connection ended.'))
    client.on('error', (error) => {
      reason = error
      // A reply that no command waits for: the next one would be taken for another command's, too.
      if (error.message.startsWith('Command queue state error')) letGo(client)
    })
    client.on('end', ended)
    // ioredis may have been asked to reconnect for a holder. Without one, nobody may get the client until then.
    client.on('close', () => {
      if (!connectorOf(client).held) ended()
    })
    client.on('ready', () => keepListeners(client.stream))
    keepListeners(client.stream)
    keepListeners(client)
  },

  ref: (client) => connectorOf(client).hold(true),
  unref: (client) => connectorOf(client).hold(false),
  classify,
  methods: redisMethods,
})

/** @throws {TypeError} for what is no options, or would make the client another kind of client. */
function clientFor(connection: RedisConnection): Redis {
  if (typeof connection !== 'string') expectOptions(connection, 'a URL or an object of options')
  const asked: Asked = typeof connection === 'string' ? {} : connection
  for (const option of ['Connector', 'monitor'] as const) {
    if (asked[option]) {
      throw new TypeError(`Expected connection options without \`${option}\`, got some with it.`)
    }
  }
  const options: Asked = {
    ...UNLESS_ASKED,
    ...asked,
    ...OURS,
    Connector: asked.sentinels ? sentinelled(asked) : BareConnector,
  }
  return typeof connection === 'string' ? new Redis(connection, options) : new Redis(options)
}

/** @throws {TypeError} for what ioredis would refuse without a word on what it got. */
function sentinelled({ sentinels, name }: Asked): typeof SentinelledConnector {
  if (!Array.isArray(sentinels) || sentinels.length === 0) {
    throw new TypeError(
      `Expected \`sentinels\` to be a list of addresses, got ${inspect(sentinels)}.`,
    )
  }
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(`Expected \`name\` to be that of a master, got ${inspect(name)}.`)
  }
  return SentinelledConnector
}

/**
 * What answers this has loaded its data, lets this user in, and is no replica without its master; and it has the role for
 * which the sentinels named it, also after a failover of which it heard earlier than they.
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

function isHeard(client: Redis): boolean {
  return sessionOf(client).beyondReset === undefined && blockingCommand(client) === undefined
}

function sessionOf(client: Redis): Session {
  const session = sessions.get(client)
  if (session === undefined) throw new Error('Expected a client that this driver made.')
  return session
}
