import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
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
/** If an answer takes longer, the proxy's process hangs. */
const REQUEST_TIMEOUT_MILLIS = 30_000

/**
 * A proxy in front of a server, over TCP or a Unix socket, which records all traffic and can inject faults.
 *
 * A forked child writes on its parent's sockets, so bytes do not show which process sent them. For a new connection, `openedBy`
 * and `holders` show it. For inherited connections, call {@link mark}, let the parent only await its child, and read
 * {@link records} since the mark.
 *
 * A forked child may use the proxy too, but not {@link stop} it. Every method rejects if the proxy has stopped or does not answer
 * within 10 seconds, and with a `TypeError` or `RangeError` for a wrong or unknown option.
 */
export class RecordingProxy implements AsyncDisposable {
  /** The host for clients, unless there is a `path`: always 127.0.0.1. */
  readonly host = HOST
  /** The port for clients; 0 if there is a `path`. */
  readonly port: number
  /** The Unix socket for clients, if one was requested. */
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

  /** Returns the current position in the record, after everything that was written before this call. */
  async mark(): Promise<number> {
    return (await this.#ask({ op: 'mark' })) as number
  }

  /**
   * Returns the recorded events, in order, including everything that was written before this call.
   *
   * `since`: events after that mark. Default: all. `openedBefore`: only events on connections that were opened before that mark.
   * With the same mark for both, these are the events on the connections that a child has inherited.
   */
  async records(filter: { since?: number; openedBefore?: number } = {}): Promise<ProxyRecord[]> {
    checkOptions('RecordingProxy.records', filter, { since: aMark, openedBefore: aMark })
    const { since = 0, openedBefore } = filter
    return (await this.#ask({ op: 'records', since, openedBefore })) as ProxyRecord[]
  }

  /** Returns the current state of every connection since the start. */
  async connections(): Promise<ProxyConnection[]> {
    return (await this.#ask({ op: 'connections' })) as ProxyConnection[]
  }

  /**
   * Turns the proxy into a black hole: it accepts, reads and records, but forwards nothing until {@link resume}. Default
   * `direction`: both.
   */
  async hold(scope: FaultScope & { direction?: Direction } = {}): Promise<void> {
    checkOptions('RecordingProxy.hold', scope, directed)
    const { connection, direction } = scope
    await this.#ask({ op: 'hold', connection, direction })
  }

  /** Forwards what was held, and everything after it. */
  async resume(scope: FaultScope & { direction?: Direction } = {}): Promise<void> {
    checkOptions('RecordingProxy.resume', scope, directed)
    const { connection, direction } = scope
    await this.#ask({ op: 'resume', connection, direction })
  }

  /** Forwards what is held so far, and keeps holding: one step of a conversation. */
  async pass(scope: FaultScope & { direction?: Direction } = {}): Promise<void> {
    checkOptions('RecordingProxy.pass', scope, directed)
    const { connection, direction } = scope
    await this.#ask({ op: 'pass', connection, direction })
  }

  /**
   * Delays everything by `millis` milliseconds, both ways: 0, which ends the delay, to 2,147,483,647.
   * @throws {RangeError} (as a rejection) for another number.
   */
  async delay(millis: number, scope: FaultScope = {}): Promise<void> {
    check('RecordingProxy.delay', 'millis', millis, millisFrom(0))
    checkOptions('RecordingProxy.delay', scope, { connection: aConnection })
    const { connection } = scope
    await this.#ask({ op: 'delay', connection, millis })
  }

  /**
   * Closes the present connections on both sides, at once. Held and delayed bytes are lost. `how`: by a RST (`'reset'`, the
   * default) or by a FIN (`'end'`). A Unix socket is always closed without a RST.
   */
  async cut(scope: FaultScope & { how?: 'reset' | 'end' } = {}): Promise<void> {
    checkOptions('RecordingProxy.cut', scope, {
      connection: aConnection,
      how: oneOf('reset', 'end'),
    })
    const { connection, how = 'reset' } = scope
    await this.#ask({ op: 'cut', connection, how })
  }

  /** Stops listening, so that new connections are refused, as by a server that is down. Present connections stay open. */
  async refuse(): Promise<void> {
    await this.#ask({ op: 'refuse' })
  }

  /** Listens again, on the same port or path. */
  async accept(): Promise<void> {
    await this.#ask({ op: 'accept' })
  }

  /**
   * Ends the proxy's process, and with it every connection. Does nothing if repeated, or in a forked child, where the parent's
   * clean-up code may run.
   */
  async stop(): Promise<void> {
    if (forkDepth() !== this.#startedAt) return
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.ref()
    this.#process.kill()
    await exited
  }

  /** Calls `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Opens one connection for each request. Forked children would inherit an IPC channel or a permanent connection, and read
   * each other's answers.
   */
  #ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      const socket = connect(this.#controlPort, HOST)
      const about = `of the recording proxy (\`${request.op}\`)`
      socket.setTimeout(REQUEST_TIMEOUT_MILLIS, () =>
        socket.destroy(new Error(`No answer ${about} in ${REQUEST_TIMEOUT_MILLIS} ms`)),
      )
      socket.on('error', (cause) => reject(new Error(`No answer ${about}`, { cause })))
      socket.on('data', (chunk) => chunks.push(chunk))
      // Not on `end`: a child forked before `close` would inherit the socket.
      socket.on('close', () => {
        if (chunks.length === 0) {
          reject(new Error(`No answer ${about}: it closed the connection`))
          return
        }
        const reply = deserialize(Buffer.concat(chunks)) as Reply
        if (reply.ok) resolve(reply.value)
        else reject(new Error(reply.message))
      })
      socket.write(`${JSON.stringify(request)}\n`)
    })
  }
}

/**
 * Starts a recording proxy in front of `target`, on a free port of 127.0.0.1, or on the Unix socket `path`. The folder of `path`
 * must exist, and the file must not; it is removed with the proxy.
 *
 * The proxy runs in its own process, because forked children would inherit its sockets and read from them. It does not keep this
 * process alive, and ends with it.
 *
 * @throws {TypeError} (as a rejection) for an invalid `target`, and for a wrong or unknown option.
 * @throws (as a rejection) if the proxy does not start within 10 seconds.
 */
export async function startRecordingProxy(
  target: ProxyTarget,
  options: { path?: string } = {},
): Promise<RecordingProxy> {
  check('startRecordingProxy', 'target', target, aTarget)
  checkOptions('startRecordingProxy', options, { path: aPath })
  const { path } = options
  const entry = join(__dirname, 'proxy-process', 'main.mjs')
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
    const watchdog = setTimeout(
      () => fail(`no answer in ${REQUEST_TIMEOUT_MILLIS} ms`),
      REQUEST_TIMEOUT_MILLIS,
    )
    let printed = ''
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => fail(`exit ${code ?? signal}`))
    stdout?.setEncoding('utf8')
    stdout?.on('data', (text: string) => {
      printed += text
      if (!printed.endsWith('\n')) return
      clearTimeout(watchdog)
      child.removeAllListeners()
      // It prints nothing more, and forked children would inherit the pipe.
      stdout.destroy()
      resolve(JSON.parse(printed) as Ports)
    })
  })
}
