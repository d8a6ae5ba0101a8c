import { stateOf } from '@forksafe/scripts/forked'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, onTestFinished } from 'vitest'

/** A server that is too busy to accept. */
export interface FullListener {
  readonly port: number
  /** Waits until somebody's connect has got no answer. */
  expectConnecting(): Promise<void>
  /** Accepts, and passes everyone on. The kernel tries a connect again after a second. */
  accept(): void
}

const SYN_SENT = '02'
/** How many connections the kernel completes where one may wait. */
const QUEUE = 2

/** A server on 127.0.0.1 in front of `behind`, stopped with its queue full: the kernel drops who connects now. */
export async function startFullListener(behind: number): Promise<FullListener> {
  const program = `
    const { connect, createServer } = require('node:net')
    const server = createServer((client) => {
      const server = connect(${behind}, '127.0.0.1')
      for (const socket of [client, server]) socket.setNoDelay(true).on('error', () => undefined)
      client.pipe(server).pipe(client)
    })
    server.listen(0, '127.0.0.1', 1, () => console.log(server.address().port))
    process.stdin.resume().on('close', () => process.exit())`
  const process = spawn(globalThis.process.execPath, ['-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    const exited = once(process, 'exit')
    process.kill('SIGKILL')
    await exited
  })
  const [line] = (await once(process.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  process.kill('SIGSTOP')
  await expect.poll(() => stateOf(process.pid ?? 0)).toBe('T')
  for (let n = 0; n < QUEUE; n++) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    onTestFinished(() => void socket.destroy())
  }
  return {
    port,
    expectConnecting: () => expect.poll(() => statesOfClients(port)).toContain(SYN_SENT),
    accept: () => void process.kill('SIGCONT'),
  }
}

/** The kernel's state of each connection to that port, from its client's end. */
function statesOfClients(port: number): (string | undefined)[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2]?.endsWith(remote))
    .map((fields) => fields[3])
}
