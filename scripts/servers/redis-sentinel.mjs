// @ts-check
import { ask, untilAnswered } from './redis-ask.mjs'
import { PROMPT_REPLICATION, startPrivate } from './redis.mjs'

/** @typedef {import('../redis.mjs').RedisServer} RedisServer */

const NAME = 'mymaster'
/**
 * How often it looks and tells, in milliseconds. By itself it asks every ten seconds, rests for thirty after it was held
 * up, and leaves a master that was replaced alone for eight.
 */
const PACE = 'info-period 200 ping-period 100 publish-period 100 tilt-period 500'

/** @type {typeof import('../redis.mjs').startSentinel} */
export async function startSentinel({ password, tls = false } = {}) {
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
    const sentinel = await start({
      sentinel: true,
      tls: false,
      ...(password === undefined ? {} : { password }),
      settings: {
        'sentinel monitor': `${NAME} ${master.host} ${master.port} 1`,
        'sentinel down-after-milliseconds': `${NAME} 500`,
      },
    })
    await ask(sentinel, `SENTINEL DEBUG ${PACE}`)
    // Before that it could not take the master's place.
    await untilAnswered(sentinel, `SENTINEL REPLICAS ${NAME}`, /master-link-status\s+\$2\s+ok/)
    return { name: NAME, master, replica, sentinel, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
