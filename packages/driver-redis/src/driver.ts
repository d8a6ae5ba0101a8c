import { defineDriver } from '@forksafe/core'
import {
  type CommonRedisOptions,
  Redis,
  type RedisOptions,
  type StandaloneConnectionOptions,
} from 'ioredis'
import { classify } from './classify.ts'
import { BareConnector } from './connector.ts'
import { redisMethods } from './methods.ts'
import { reset } from './reset.ts'
import { Session } from './session.ts'
import { blockingCommand } from './unanswered.ts'

/** What `connection` may be: a `redis:` or `rediss:` URL, or ioredis's own options for a connection to one server. */
export type RedisConnection =
  string | (Omit<CommonRedisOptions, Decided> & StandaloneConnectionOptions)

/** What the driver decides, and `replyMapping`, which changes the types of what the commands give. */
type Decided = 'Connector' | 'enableReadyCheck' | 'lazyConnect' | 'monitor' | 'replyMapping'

/** Reconnecting is the pool's, unless it is asked of ioredis. */
const UNLESS_ASKED = { retryStrategy: null, enableOfflineQueue: false } satisfies RedisOptions

/** `INFO` is a long answer, which not every user may ask for and which ioredis waits for a second at a time: see `create`. */
const OURS = {
  Connector: BareConnector,
  enableReadyCheck: false,
  lazyConnect: true,
} satisfies RedisOptions

const sessions = new WeakMap<Redis, Session>()

/** Redis through ioredis: `createForkSafePool(redisDriver, { connection })`. */
export const redisDriver = defineDriver({
  name: 'redis',

  async create(connection: RedisConnection, { signal }): Promise<Redis> {
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
      // What answers this has loaded its data, lets this user in, and is no replica without its master.
      await client.ping()
    } catch (error) {
      letGo(client)
      throw reasonOf(client, [...failures, error as Error]) as Error
    } finally {
      signal.removeEventListener('abort', abort)
      client.off('error', fail)
    }
    sessions.set(client, new Session(client))
    return client
  },

  async validate(client) {
    return (await client.ping()) === 'PONG'
  },

  reset(client) {
    if (!connectorOf(client).writable) throw new Error('The last holder has ended the connection.')
    return reset(client, sessionOf(client))
  },

  /** With a goodbye, where there is hope of an answer. */
  async destroy(client) {
    const closed = connectorOf(client).closed()
    if (client.status === 'ready' && isHeard(client)) {
      // If it is not answered, the connection has ended some other way, which is all that is wanted.
      await client.quit().catch(() => undefined)
    }
    client.disconnect()
    await closed
  },

  discard: letGo,

  watch(client, lost) {
    let reason: Error | undefined
    client.on('error', (error) => (reason = error))
    client.on('end', () => lost(reason ?? new Error('The connection ended.')))
  },

  ref: (client) => connectorOf(client).hold(true),
  unref: (client) => connectorOf(client).hold(false),
  classify,
  methods: redisMethods,
})

/** @throws {TypeError} for what would make the client another kind of client. */
function clientFor(connection: RedisConnection): Redis {
  if (typeof connection === 'string') return new Redis(connection, { ...UNLESS_ASKED, ...OURS })
  for (const option of ['sentinels', 'Connector', 'monitor'] as const) {
    if ((connection as RedisOptions)[option]) {
      throw new TypeError(`Expected connection options without \`${option}\`, got some with it.`)
    }
  }
  return new Redis({ ...UNLESS_ASKED, ...connection, ...OURS })
}

/** The bare socket goes, and ioredis is told that this is the end: not to connect anew, and not to send anything again. */
function letGo(client: Redis): void {
  connectorOf(client).letGo()
  client.disconnect()
}

/** The server's own word, if there is one, rather than that the connection was closed after it. */
function reasonOf(client: Redis, errors: readonly Error[]): Error | undefined {
  const answer = errors.find(({ name }) => name === 'ReplyError')
  if (answer !== undefined) return answer
  const { refusal } = connectorOf(client)
  return refusal !== undefined && classify(refusal) !== 'transient' ? refusal : errors[0]
}

function isHeard(client: Redis): boolean {
  return sessionOf(client).beyondReset === undefined && blockingCommand(client) === undefined
}

function sessionOf(client: Redis): Session {
  const session = sessions.get(client)
  if (session === undefined) throw new Error('Expected a client that this driver made.')
  return session
}

/** What ioredis keeps to itself. */
function connectorOf(client: Redis): BareConnector {
  return (client as unknown as { readonly connector: BareConnector }).connector
}
