import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { deserialize } from 'node:v8'
import { forkDepth } from './child.ts'
import { check, checkOptions, millisFrom, oneOf, target as aTarget } from './options.ts'
import { aConnection, aMark, aPath, directed } from './proxy-options.ts'
import type {
  Direction,
  FaultScope,
  Ports,
  ProxyConnection,
  ProxyRecord,
  ProxyTarget,
  Reply,
  Request,
} from './proxy-protocol.ts'

const HOST = '127.0.0.1'
/** No answer is that slow: the proxy's process hangs. */
const REQUEST_TIMEOUT_MILLIS = 10_000

/**
 * A proxy in front of a server, over TCP or a Unix socket, which records what passes and can break things.
 *
 * A forked child writes on the very sockets of its parent, so the bytes alone do not say whose they are. There are two
 * ways to tell. A new connection tells by whom it was opened (`openedBy`) and who holds it (`holders`). And on inherited
 * connections: {@link mark}, let the parent do nothing but await its child, then read {@link records} since the mark.
 *
 * A forked child may ask and command it too, but not {@link stop} it. All that is asked of it rejects without an answer
 * within 10 seconds, once it has stopped, and with a `TypeError` or `RangeError` for a wrong or unknown option.
 */
export class RecordingProxy implements AsyncDisposable {
  /** Where clients connect to, unless there is a `path`; nothing but 127.0.0.1. */
  readonly host = HOST
  /** The port there; 0 where there is a `path`. */
  readonly port: number
  /** The Unix socket that clients connect to, if it was to be one. */
  readonly path: string | undefined
  readonly #process: ChildProcess
  readonly #controlPort: number
  readonly #startedAt = forkDepth()

  /** @internal Use {@link startRecordingProxy}. */
  constructor(process: ChildProcess, { port, controlPort }: Ports, path: string | undefined) {
    this.#process = process
    this.port = port
    this.path = path
    this.#controlPort = controlPort
  }

  /** A place in the record, for {@link records}: after everything that was written before this call. */
  async mark(): Promise<number> {
    return (await this.#ask({ op: 'mark' })) as number
  }

  /**
   * What passed, in order; everything that was written before this call is in it.
   *
   * `since`: from that mark on; default: from the start. `openedBefore`: only on connections that were opened before
   * that mark, so with both the same mark, what happened since on the connections that a child has inherited.
   */
  async records(filter: { since?: number; openedBefore?: number } = {}): Promise<ProxyRecord[]> {
    checkOptions('RecordingProxy.records', filter, { since: aMark, openedBefore: aMark })
    const { since = 0, openedBefore } = filter
    return (await this.#ask({ op: 'records', since, openedBefore })) as ProxyRecord[]
  }

  /** Every connection since the start, as it is now. */
  async connections(): Promise<ProxyConnection[]> {
    return (await this.#ask({ op: 'connections' })) as ProxyConnection[]
  }

  /**
   * Becomes a black hole: accepts, reads and records, but passes nothing on until {@link resume}. `direction`: default
   * both.
   */
  async hold(scope: FaultScope & { direction?: Direction } = {}): Promise<void> {
    checkOptions('RecordingProxy.hold', scope, directed)
    const { connection, direction } = scope
    await this.#ask({ op: 'hold', connection, direction })
  }

  /** Passes on what was held, and everything after. */
  async resume(scope: FaultScope & { direction?: Direction } = {}): Promise<void> {
    checkOptions('RecordingProxy.resume', scope, directed)
    const { connection, direction } = scope
    await this.#ask({ op: 'resume', connection, direction })
  }

  /** Passes on what has been held until now, and goes on holding: one step of a conversation. */
  async pass(scope: FaultScope & { direction?: Direction } = {}): Promise<void> {
    checkOptions('RecordingProxy.pass', scope, directed)
    const { connection, direction } = scope
    await this.#ask({ op: 'pass', connection, direction })
  }

  /**
   * Passes everything on `millis` milliseconds later, both ways. At least 0, which ends it; at most 2,147,483,647.
   * @throws {RangeError} (as a rejection) for another number.
   */
  async delay(millis: number, scope: FaultScope = {}): Promise<void> {
    check('RecordingProxy.delay', 'millis', millis, millisFrom(0))
    checkOptions('RecordingProxy.delay', scope, { connection: aConnection })
    const { connection } = scope
    await this.#ask({ op: 'delay', connection, millis })
  }

  /**
   * Ends the present connections on both sides, at once; what is held or delayed is lost. `how` the client learns it:
   * by a RST, or by a FIN (`'end'`). Default `'reset'`; a Unix socket just ends.
   */
  async cut(scope: FaultScope & { how?: 'reset' | 'end' } = {}): Promise<void> {
    checkOptions('RecordingProxy.cut', scope, {
      connection: aConnection,
      how: oneOf('reset', 'end'),
    })
    const { connection, how = 'reset' } = scope
    await this.#ask({ op: 'cut', connection, how })
  }

  /** Listens no more: who connects now is refused, as by a server that is down. Present connections go on. */
  async refuse(): Promise<void> {
    await this.#ask({ op: 'refuse' })
  }

  /** Listens again, on the same port or path. */
  async accept(): Promise<void> {
    await this.#ask({ op: 'accept' })
  }

  /**
   * Ends the proxy's process, and with it every connection. Again does nothing; nor does it in a forked child, where a
   * copy of the parent's clean-up code may come to run.
   */
  async stop(): Promise<void> {
    if (forkDepth() !== this.#startedAt) return
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.ref()
    this.#process.kill()
    await exited
  }

  /** What `stop` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * One connection for one request. An IPC channel, or a connection that stays, would be inherited by forked children,
   * who would read each other's answers from it.
   */
  #ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = []
      const socket = connect(this.#controlPort, HOST)
      const about = `of the recording proxy (\`${request.op}\`)`
      socket.setTimeout(REQUEST_TIMEOUT_MILLIS, () =>
        socket.destroy(new Error(`No answer ${about} in ${REQUEST_TIMEOUT_MILLIS} ms`)),
      )
      socket.on('error', (cause) => reject(new Error(`No answer ${about}`, { cause })))
      socket.on('data', (piece) => pieces.push(piece))
      // Not at its end: a child that is forked in between would inherit it.
      socket.on('close', () => {
        if (pieces.length === 0) {
          reject(new Error(`No answer ${about}: it ended`))
          return
        }
        const reply = deserialize(Buffer.concat(pieces)) as Reply
        if (reply.ok) resolve(reply.value)
        else reject(new Error(reply.message))
      })
      socket.write(`${JSON.stringify(request)}\n`)
    })
  }
}

/**
 * Starts a recording proxy in front of `target`, on a free port of 127.0.0.1, or on the Unix socket `path`: in a folder
 * that exists, under a name that does not. The file goes with the proxy.
 *
 * It is a process of its own: in this one its sockets would be inherited by forked children, and read by them. It does
 * not hold this process open and ends with it.
 *
 * @throws {TypeError} (as a rejection) for a `target` that is none, and for a wrong or unknown option.
 * @throws (as a rejection) if the process does not come up within 10 seconds.
 */
export async function startRecordingProxy(
  target: ProxyTarget,
  options: { path?: string } = {},
): Promise<RecordingProxy> {
  check('startRecordingProxy', 'target', target, aTarget)
  checkOptions('startRecordingProxy', options, { path: aPath })
  const { path } = options
  const entry = fileURLToPath(new URL('proxy-process/main.js', import.meta.url))
  const where = path === undefined ? [] : [path]
  const child = spawn(process.execPath, [entry, JSON.stringify(target), ...where], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ports = await readPorts(child)
  child.unref()
  return new RecordingProxy(child, ports, path)
}

function readPorts(child: ChildProcess): Promise<Ports> {
  const { stdout } = child
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      child.kill('SIGKILL')
      reject(new Error(`The recording proxy did not start: ${reason}`))
    }
    const watchdog = setTimeout(() => fail('it takes too long'), REQUEST_TIMEOUT_MILLIS)
    let printed = ''
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => fail(`exit ${code ?? signal}`))
    stdout?.setEncoding('utf8')
    stdout?.on('data', (text: string) => {
      printed += text
      if (!printed.endsWith('\n')) return
      clearTimeout(watchdog)
      child.removeAllListeners()
      // It prints no more, and an inherited pipe is one thing more to hang on.
      stdout.destroy()
      resolve(JSON.parse(printed) as Ports)
    })
  })
}
