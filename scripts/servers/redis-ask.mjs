// @ts-check
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MILLIS = 20
const DEADLINE_MILLIS = 60_000
const OK = '+OK\r\n'

/** @typedef {{ host: string, port: number, password: string | undefined }} Server */

/**
 * Says something to a server, and gives its answer as it came.
 * @param {Server} server
 * @param {string} command
 * @returns {Promise<string>}
 * @throws where the server refuses it
 */
export async function ask({ host, port, password }, command) {
  const socket = connect({ host, port })
  const login = password === undefined ? [] : [`AUTH ${JSON.stringify(password)}`]
  // It answers before it notices the end. A sentinel knows no QUIT.
  socket.end([...login, command, ''].join('\r\n'))
  const answer = (await text(socket)).slice(login.length * OK.length)
  if (answer.startsWith('-')) throw new Error(`${command}: ${answer.slice(1).trim()}`)
  return answer
}

/**
 * Asks until the answer is as it shall be.
 * @param {Server} server
 * @param {string} command
 * @param {RegExp} expected
 */
export async function untilAnswered(server, command, expected) {
  const deadline = performance.now() + DEADLINE_MILLIS
  for (;;) {
    const answer = await ask(server, command)
    if (expected.test(answer)) return
    if (performance.now() > deadline) {
      throw new Error(`${command}: expected ${expected} in ${DEADLINE_MILLIS} ms, got ${answer}`)
    }
    await sleep(POLL_MILLIS)
  }
}
