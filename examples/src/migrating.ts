// #region driver
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createForkSafePool, defineDriver } from '@forksafe/core'

export const socketDriver = defineDriver({
  name: 'socket',
  async create({ host, port }: { host: string; port: number }, { signal }): Promise<Socket> {
    const socket = connect(port, host)
    try {
      await once(socket, 'connect', { signal })
      return socket
    } catch (error) {
      socket.destroy() // The socket must not stay open.
      throw error
    }
  },
  validate: (socket) => !socket.destroyed,
  destroy: (socket) => void socket.end(), // politely
  discard: (socket) => void socket.destroy(), // without a byte: another process still uses it
  watch(socket, lost) {
    socket.on('error', lost).once('close', () => lost(new Error('The socket was closed')))
  },
})
// #endregion

// #region pool
export const pool = createForkSafePool(socketDriver, {
  connection: { host: '127.0.0.1', port: Number(process.env.PORT) },
  max: 2,
  acquireTimeoutMillis: 1_000,
})
// #endregion

// #region use
export function greet(name: string): Promise<string> {
  return pool.use(async (socket) => {
    socket.write(`${name}\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString().trimEnd()
  })
}
// #endregion
