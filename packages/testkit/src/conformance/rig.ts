import { createForkSafePool, type ForkSafePool } from '@forksafe/core'
import { AssertionError } from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { forkDepth } from '../child.ts'
import type { ProxyRecord } from '../proxy-protocol.ts'
import type { RecordingProxy } from '../proxy.ts'
import { activeHandles, added, openHandles } from './handles.ts'
import type { AnyDriver, AnyOptions } from './options.ts'

const POLL_MILLIS = 5

/** How a resource is opened: the number of connections, and of answers of the server until it is open. */
export interface Opening {
  readonly connections: number
  readonly answers: number
}

/** The tools of one check. Everything that it opens is closed with it. */
export class Rig {
  readonly driver: AnyDriver
  readonly options: AnyOptions
  readonly #proxy: RecordingProxy | undefined
  readonly #before = openHandles()
  readonly #ends: (() => unknown)[] = []
  #asked = 0

  constructor(driver: AnyDriver, options: AnyOptions, proxy: RecordingProxy | undefined) {
    this.driver = driver
    this.options = options
    this.#proxy = proxy
  }

  /** The proxy in front of the server. Only for checks that need `server`. */
  get proxy(): RecordingProxy {
    if (this.#proxy === undefined) throw new Error('This check needs a server.')
    return this.#proxy
  }

  get hasServer(): boolean {
    return this.#proxy !== undefined
  }

  /** Closes or discards everything. */
  async close(): Promise<void> {
    await this.#proxy?.resume()
    await this.#proxy?.accept()
    for (const end of this.#ends) await end()
    // Closes what the driver has left open.
    await this.#proxy?.cut()
  }

  get connection(): unknown {
    return this.connectionFrom(this.options.connection)
  }

  connectionFrom(connection: AnyOptions['connection']): unknown {
    return connection?.(this.#proxy ?? { host: '127.0.0.1', port: 0, path: undefined })
  }

  /** Opens a resource with the driver. */
  async create(): Promise<object> {
    return this.within('`create`', this.begin())
  }

  /** Starts to open a resource. If it opens, it is discarded at the end of the check. */
  begin(
    signal: AbortSignal = new AbortController().signal,
    connection = this.connection,
  ): Promise<object> {
    const opening = this.driver.create(connection, { signal })
    const discard = (resource: object): void => {
      try {
        this.driver.discard(resource)
      } catch {
        // The checks of `discard` report that it throws.
      }
    }
    opening.then(
      (resource) => this.#ends.push(() => discard(resource)),
      () => undefined,
    )
    return opening
  }

  /** Creates a pool that does not validate or end idle resources. */
  pool(options: {
    max: number
    maxInFlight?: number
    validateAfterIdleMillis?: number
  }): ForkSafePool<object> {
    const { timeoutMillis } = this.options
    const pool = createForkSafePool<object, unknown, object>(this.driver, {
      connection: () => this.connection,
      acquireTimeoutMillis: timeoutMillis,
      createTimeoutMillis: timeoutMillis,
      validateTimeoutMillis: timeoutMillis,
      destroyTimeoutMillis: timeoutMillis,
      idleTimeoutMillis: Infinity,
      validateAfterIdleMillis: Infinity,
      ...options,
    })
    this.#ends.push(() => pool.close({ deadlineMillis: 0 }))
    return pool
  }

  /** Opens that many resources, expects each to answer, and leaves them idle. */
  async fill(pool: ForkSafePool<object>, count: number): Promise<void> {
    const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
    await Promise.all(leases.map(({ resource }) => this.expectAnswer(resource)))
    for (const lease of leases) lease.release()
  }

  /** Expects a resource to return its own answer. */
  async expectAnswer(resource: object): Promise<void> {
    await this.ask(resource).answer
  }

  /** Does the same in two steps: the request has been sent when this returns. */
  ask(resource: object): { readonly answer: Promise<void> } {
    // A forked child continues from the same number.
    const text = `process-${forkDepth()}-request-${++this.#asked}`
    const answer = this.within('the answer to `echo`', this.echo(resource, text))
    const right = answer.then((answered) => {
      expect(
        answered === text,
        `Expected the server to answer "${text}", got ${JSON.stringify(answered)}`,
      )
    })
    right.catch(() => undefined) // It may be awaited later.
    return { answer: right }
  }

  async echo(resource: object, text: string): Promise<string> {
    return this.options.echo(resource, text)
  }

  /** Makes a resource die: by its connection, or by `kill` if there is no server. For checks that need `death`. */
  async die(resource: object): Promise<void> {
    await (this.#proxy === undefined ? this.options.kill?.(resource) : this.#proxy.cut())
  }

  /** Returns the sockets and pipes that this process has opened since the check began. */
  held(): string[] {
    return openHandles().filter((name) => !this.#before.includes(name))
  }

  async expectNothingHeld(when: string): Promise<void> {
    await this.eventually(
      () => this.held().length === 0,
      () => `Expected nothing to be left open ${when}, got ${this.held().join(', ')}`,
    )
    const proxy = this.#proxy
    if (proxy === undefined) return
    await this.eventually(
      async () => !(await proxy.connections()).some(({ open }) => open),
      () => `Expected the server to hold no connection ${when}, but it does`,
    )
  }

  /** Expects that nothing keeps the process alive that did not `before`. */
  async expectNothingActive(before: readonly string[], when: string): Promise<void> {
    await this.eventually(
      () => added(before, activeHandles()).length === 0,
      () =>
        `Expected nothing to keep the process alive ${when}, but ${added(before, activeHandles()).join(', ')} does`,
    )
  }

  /** Returns what the client has sent since a mark: bytes, FINs and RSTs on the connections that were open then. */
  async sent(since: number): Promise<ProxyRecord[]> {
    const records = await this.proxy.records({ since, openedBefore: since })
    return records.filter((record) => 'direction' in record && record.direction === 'fromClient')
  }

  /** Returns the number of connections opened since a mark. */
  async opened(since: number): Promise<number> {
    return (await this.proxy.records({ since })).filter(({ kind }) => kind === 'open').length
  }

  /** Holds the open connections, but not future ones. */
  async holdPresent(direction?: 'fromServer'): Promise<void> {
    const scope = direction === undefined ? {} : { direction }
    for (const { id, open } of await this.proxy.connections()) {
      if (open) await this.proxy.hold({ connection: id, ...scope })
    }
  }

  /** Holds back the server's answers on the present connections, runs `act`, waits until it has asked the server, and returns its result. */
  async holdAnswersOf<T>(what: string, act: () => T): Promise<{ readonly asked: T }> {
    await this.holdPresent('fromServer')
    const mark = await this.proxy.mark()
    const asked = act()
    await this.expectWritten(mark, what)
    return { asked }
  }

  /** Waits until a client has sent something since a mark, and sends no more. */
  async expectWritten(since: number, what: string): Promise<void> {
    await this.eventually(
      async () => bytesOf(await this.sent(since)).length > 0,
      () => `Expected ${what} to ask the server, but nothing was written`,
    )
    await this.quiet()
  }

  /** Waits until there is no traffic for a moment. */
  async quiet(): Promise<void> {
    if (this.#proxy === undefined) return
    for (let last = -1, now = await this.proxy.mark(); now !== last;) {
      last = now
      now = await this.proxy.mark()
    }
  }

  /**
   * Forwards that many answers of the server, which must be held, and waits for the next one. Returns the number of answers
   * forwarded, which is less if `opening` has settled before.
   */
  async step(
    opening: Promise<unknown>,
    answers: number,
  ): Promise<{ forwarded: number; settled: boolean }> {
    let settled = false
    const settle = (): void => void (settled = true)
    opening.then(settle, settle)
    for (let forwarded = 0, mark = 0; ; forwarded++) {
      const since = mark
      await this.eventually(
        async () => settled || (await this.#hasAnswered(since)),
        () => `Expected \`create\` to settle after the last answer of the server, but it has not`,
      )
      if (settled || forwarded === answers) return { forwarded, settled }
      mark = await this.proxy.mark()
      await this.proxy.pass({ direction: 'fromServer' })
    }
  }

  async #hasAnswered(since: number): Promise<boolean> {
    const open = new Set<number>()
    for (const { id, open: isOpen } of await this.proxy.connections()) if (isOpen) open.add(id)
    return (await this.proxy.records({ since })).some(
      (record) =>
        record.kind === 'data' && record.direction === 'fromServer' && open.has(record.connection),
    )
  }

  /** Opens one resource step by step, and returns how it is opened. */
  async rehearse(): Promise<Opening> {
    const mark = await this.proxy.mark()
    await this.proxy.hold({ direction: 'fromServer' })
    const opening = this.begin()
    const { forwarded: answers } = await this.step(opening, Infinity)
    await this.proxy.resume()
    await opening
    return { connections: await this.opened(mark), answers }
  }

  /** Waits until `holds` returns true. Fails with the message of `otherwise` after `timeoutMillis`. */
  async eventually(
    holds: () => boolean | Promise<boolean>,
    otherwise: () => string,
  ): Promise<void> {
    const deadline = performance.now() + this.options.timeoutMillis
    while (!(await holds())) {
      const late = performance.now() > deadline
      expect(!late, `${late ? otherwise() : ''}, after ${this.options.timeoutMillis} ms`)
      await sleep(POLL_MILLIS)
    }
  }

  /** Returns the result of a hook, or rejects after `timeoutMillis`. */
  async within<T>(what: string, work: T | Promise<T>): Promise<T> {
    const { timeoutMillis } = this.options
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const error = failure(`Expected ${what} to settle, but it has not, after ${timeoutMillis} ms`)
      timer = setTimeout(() => reject(error), timeoutMillis)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** @throws {AssertionError} */
export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw failure(message)
}

function failure(message: string): AssertionError {
  return new AssertionError({ message: `${message.replace(/\.$/, '')}.`, stackStartFn: expect })
}

/** The outcome of a promise. */
export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

export function outcomeOf<T>(promise: T | Promise<T>): Promise<Outcome<T>> {
  return Promise.resolve(promise).then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  )
}

/** Returns all bytes, in order. */
export function bytesOf(records: readonly ProxyRecord[]): Buffer {
  return Buffer.concat(
    records.map((record) => (record.kind === 'data' ? record.bytes : Buffer.of())),
  )
}

/** Formats what was sent for an error message. */
export function show(records: readonly ProxyRecord[]): string {
  const bytes = bytesOf(records)
  const text = JSON.stringify(bytes.toString('latin1').slice(0, 60))
  const parts = bytes.length === 0 ? [] : [`${bytes.length} bytes (${text})`]
  if (records.some(({ kind }) => kind === 'end')) parts.push('a FIN')
  if (records.some(({ kind }) => kind === 'reset')) parts.push('a RST')
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}
