import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'

/** A server in a process of its own, which echoes: here, a forked child would inherit and serve it too. */
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

/** A connected socket. */
export async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** Writes and resolves with what comes next. */
export async function ask(socket: Socket, question: string): Promise<string> {
  const answer = once(socket, 'data')
  socket.write(question)
  return String((await answer)[0])
}

/** Whether the process runs: a zombie does not. */
export function isRunning(pid: number): boolean {
  return !['gone', 'Z', 'X'].includes(processState(pid))
}

/** The letter that `ps` shows, or `gone`. */
export function processState(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  } catch {
    return 'gone'
  }
}

/** The pid as the operating system has it: `process.pid` is the parent's in a forked child. */
export function livePid(): number {
  return Number(readFileSync('/proc/self/stat', 'latin1').split(' ')[0])
}

/** What the promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('Expected a rejection')
    },
    (error: unknown) => error,
  )
}

/** Keeps this process from doing anything at all. */
export function blockFor(millis: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}
