import { ask, untilAnswered } from './ask.ts'
import { type PrivateOptions, PROMPT_REPLICATION, type RedisServer, startPrivate } from './redis.ts'

/** How a master, its replica and their sentinels are made. */
export interface SentinelOptions {
  /** How many sentinels: the first calls for a vote, and with more than half of them replaces the master. Default 1. */
  sentinels?: number
  /** The password of the sentinels; the servers ask for none. Default: none. */
  password?: string
  /** The master and the replica serve TLS too, each with a certificate of its own. Default false. */
  tls?: boolean
}

/** A running master, its replica, and the sentinels that decide over both, half a second after a crash. */
export interface Sentinel extends AsyncDisposable {
  /** The sentinels' name for the master. */
  readonly name: string
  /** The server that is the master at first. */
  readonly master: RedisServer
  readonly replica: RedisServer
  /** The first of the sentinels. */
  readonly sentinel: RedisServer
  readonly sentinels: readonly RedisServer[]
  /** Stops all of them. May be called again. */
  stop(): Promise<void>
}

const NAME = 'mymaster'
/**
 * How often a sentinel asks and publishes, in milliseconds. By default it asks every ten seconds, rests for thirty after a
 * delay, and leaves a master that was replaced alone for eight. A replica can take over if it was heard of within five pings,
 * which leaves the time for a vote.
 */
const PACE = 'info-period 200 ping-period 300 publish-period 100 tilt-period 500'

/**
 * Starts a master, a replica that can take its place, and sentinels that know both, all of them private. Needs Redis 7.
 * @throws as `startRedis` does.
 */
export async function startSentinel({
  password,
  tls = false,
  sentinels: count = 1,
}: SentinelOptions = {}): Promise<Sentinel> {
  const started: RedisServer[] = []
  const start = async (options: PrivateOptions): Promise<RedisServer> => {
    const server = await startPrivate(options)
    started.push(server)
    return server
  }
  const stop = async (): Promise<void> =>
    void (await Promise.all(started.map((server) => server.stop())))
  const data = { tls, settings: PROMPT_REPLICATION }
  try {
    const [master, replica] = await Promise.all([start(data), start(data)])
    await ask(replica, `REPLICAOF ${master.host} ${master.port}`)
    await untilAnswered(master, 'INFO replication', /state=online/)
    const majority = Math.floor(count / 2) + 1
    const startOne = (quorum: number): Promise<RedisServer> =>
      start({
        sentinel: true,
        tls: false,
        ...(password === undefined ? {} : { password }),
        settings: {
          'sentinel monitor': `${NAME} ${master.host} ${master.port} ${quorum}`,
          'sentinel down-after-milliseconds': `${NAME} 500`,
        },
      })
    // The others agree and vote, but call for no vote unless all agree: two that call at once may split it, for minutes.
    const sentinels = await Promise.all(
      Array.from({ length: count }, (_, n) => startOne(n === 0 ? majority : count)),
    )
    for (const sentinel of sentinels) await ask(sentinel, `SENTINEL DEBUG ${PACE}`)
    for (const sentinel of sentinels) {
      // Before that the replica could not take the master's place.
      await untilAnswered(sentinel, `SENTINEL REPLICAS ${NAME}`, /master-link-status\s+\$2\s+ok/)
      const others = new RegExp(`num-other-sentinels\\s+\\$\\d+\\s+${count - 1}\\s`)
      await untilAnswered(sentinel, `SENTINEL MASTER ${NAME}`, others)
    }
    const [sentinel = master] = sentinels
    return { name: NAME, master, replica, sentinel, sentinels, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
