/** @import { Reply, Request } from '../proxy-protocol.ts' */
import { createServer } from 'node:net'
import { serialize } from 'node:v8'

/**
 * What to do for each request. What it returns or resolves to is sent back, what it throws too.
 *
 * @typedef {{ [Op in Request['op']]: (request: Extract<Request, { op: Op }>) => unknown }} Handlers
 */

/**
 * Takes one request on each connection, answers it and ends: nobody can be in the middle of another's conversation.
 *
 * @param {Handlers} handlers
 */
export function createControlServer(handlers) {
  return createServer((socket) => {
    let line = ''
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy()) // It asked and left.
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
