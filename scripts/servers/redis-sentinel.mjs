// @ts-check
import { ask, untilAnswered } from './redis-ask.mjs'
import { PROMPT_REPLICATION, startPrivate } from './redis.mjs'

/** @typedef {import('../redis.mjs').RedisServer} RedisServer */

const NAME = 'mymaster'
/**
 * How often it looks and tells, in milliseconds. By itself it asks every ten seconds, rests for thirty after it was held
 * up, and leaves a master that was replaced alone for eight. A replica takes over that was heard of within five pings, which
 * leaves the time for a vote.
 */
const PACE = 'info-period 200 ping-period 300 publish-period 100 tilt-period 500'

/** @type {typeof import('../redis.mjs').startSentinel} */
export async function startSentinel({ password, tls = false, sentinels: count = 1 } = {}) {
  /** @type {RedisServer[]} */
  const started = []
  /** @param {Parameters<typeof startPrivate>[0]} options */
  const start = async (options) => {
    const server = await startPrivate(options)
    started.push(server)
    return server
  }
  const stop = async () => void (await Promise.all(started.map((server) => server.stop())))
  const data = { tls, settings: PROMPT_REPLICATION }
  try {
    const [master, replica] = await Promise.all([start(data), start(data)])
    await ask(replica, `REPLICAOF ${master.host} ${master.port}`)
    await untilAnswered(master, 'INFO replication', /state=online/)
    const majority = Math.floor(count / 2) + 1
    const startOne = (/** @type {number} */ quorum) =>
      start({
        sentinel: true,
        tls: false,
        ...(password === undefined ? {} : { password }),
        settings: {
          'sentinel monitor': `${NAME} ${master.host} ${master.port} ${quorum}`,
          'sentinel down-after-milliseconds': `${NAME} 500`,
        },
      })
    // The others agree, and vote, but call for no vote unless all agree: two that call at once may split it, for minutes.
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
