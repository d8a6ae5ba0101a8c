/** @import { Reply, Request } from '../proxy-protocol.ts' */
import { createServer } from 'node:net'
import { serialize } from 'node:v8'

/**
 * The handler of each request. Its result, or its error, is sent back.
 *
 * @typedef {{ [Op in Request['op']]: (request: Extract<Request, { op: Op }>) => unknown }} Handlers
 */

/**
 * Answers one request per connection, so that forked processes cannot mix their conversations.
 *
 * @param {Handlers} handlers
 */
export function createControlServer(handlers) {
  return createServer((socket) => {
    let line = ''
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy()) // The client is gone.
    socket.on('data', (text) => {
      line += text
      if (!line.endsWith('\n')) return
      void answer(handlers, line).then((reply) => socket.end(serialize(reply)))
    })
  })
}

/**
 * @param {Handlers} handlers
 * @param {string} line
 * @returns {Promise<Reply>}
 */
async function answer(handlers, line) {
  try {
    const request = /** @type {Request} */ (JSON.parse(line))
    const handler = /** @type {(request: Request) => unknown} */ (handlers[request.op])
    return { ok: true, value: await handler(request) }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
}
