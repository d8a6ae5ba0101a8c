import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MILLIS = 20
const DEADLINE_MILLIS = 60_000
const OK = '+OK\r\n'

interface Server {
  readonly host: string
  readonly port: number
  readonly password: string | undefined
}

/**
 * Sends a command to a server, and returns its answer as it came.
 * @throws if the server refuses it
 */
export async function ask({ host, port, password }: Server, command: string): Promise<string> {
  const socket = connect({ host, port })
  const login = password === undefined ? [] : [`AUTH ${JSON.stringify(password)}`]
  // The server answers before it notices the end. A sentinel knows no QUIT.
  socket.end([...login, command, ''].join('\r\n'))
  const answer = (await text(socket)).slice(login.length * OK.length)
  if (answer.startsWith('-')) throw new Error(`${command}: ${answer.slice(1).trim()}`)
  return answer
}

/** Repeats a command until the answer matches. */
export async function untilAnswered(
  server: Server,
  command: string,
  expected: RegExp,
): Promise<void> {
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
