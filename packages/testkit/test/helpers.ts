import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'

/** Starts an echo server in its own process, so that forked children do not inherit it. */
export async function startEchoServer(path?: string) {
  const program = `
    const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => socket.destroy()).pipe(socket)
    })
    server.listen(${path === undefined ? "0, '127.0.0.1'" : JSON.stringify(path)}, () => {
      console.log(server.address().port ?? 0)
    })
    process.stdin.resume().on('close', () => process.exit())`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return {
    port: Number(line.toString()),
    async stop() {
      const exited = once(child, 'exit')
      child.kill()
      await exited
    },
  }
}

/** Connects a socket. */
export async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** Writes, and resolves with the next data. */
export async function ask(socket: Socket, question: string): Promise<string> {
  const answer = once(socket, 'data')
  socket.write(question)
  return String((await answer)[0])
}

/** Returns whether the process runs. A zombie does not. */
export function isRunning(pid: number): boolean {
  return !['gone', 'Z', 'X'].includes(processState(pid))
}

/** Returns the state letter that `ps` shows, or `gone`. */
export function processState(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  } catch {
    return 'gone'
  }
}

/** Returns the pid from the operating system. In a forked child `process.pid` is the parent's. */
export function livePid(): number {
  return Number(readFileSync('/proc/self/stat', 'latin1').split(' ')[0])
}

/** Resolves with the error of a promise. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('Expected a rejection')
    },
    (error: unknown) => error,
  )
}

/** Blocks this process. */
export function blockFor(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}
