import type { Driver } from '@forksafe/core'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { ProxyTarget } from '../proxy-protocol.ts'
import { type RecordingProxy, startRecordingProxy } from '../proxy.ts'
import { type Check, verdictOn } from './check.ts'
import { endingChecks } from './ending.ts'
import { forkChecks } from './fork-checks.ts'
import { livingChecks } from './living.ts'
import { openingChecks } from './opening.ts'
import { type AnyDriver, type AnyOptions, type ConformanceOptions, parse } from './options.ts'
import { listensHere } from './own-server.ts'
import { expect, type Opening, Rig } from './rig.ts'
import { sharingChecks } from './sharing.ts'

/** One check of the suite. */
export interface ConformanceCheck {
  /** The name, a sentence that is the same for every driver. */
  readonly name: string
  /** The reason why the check is skipped: from the options, or because it cannot be run here. */
  readonly skipped: string | undefined
  /** Runs the check. Rejects with what is wrong. Run one check at a time, because all share a proxy. */
  readonly run: () => Promise<void>
}

/** The suite for one driver, for any test runner. */
export interface Conformance extends AsyncDisposable {
  /** The option `name`. */
  readonly name: string
  /** The longest time that a check may take, in milliseconds. */
  readonly timeoutMillis: number
  /** The checks. They can be run in any order. */
  readonly checks: readonly ConformanceCheck[]
  /** Closes what the checks share. */
  readonly close: () => Promise<void>
}

/** The number of times that a check may wait for `timeoutMillis`. */
const WAITS = 6

/**
 * Returns the conformance suite as a list of checks, for a test runner that {@link testDriver} does not support.
 * @throws {TypeError} for an invalid driver, and for a wrong, missing or unknown option.
 */
export function conformance<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
  options: ConformanceOptions<R, C>,
): Conformance {
  const suite = parse(driver, options)
  const stage = new Stage(suite.driver, suite.options)
  const checks = [
    ...openingChecks(suite.options),
    ...livingChecks(suite.options),
    ...endingChecks,
    ...(suite.driver.share === undefined ? [] : sharingChecks),
    ...forkChecks(suite.driver),
  ].map((check) => runnable(stage, check))
  return {
    name: suite.options.name,
    timeoutMillis: WAITS * suite.options.timeoutMillis,
    checks,
    close: () => stage.close(),
    [Symbol.asyncDispose]: () => stage.close(),
  }
}

function runnable(stage: Stage, check: Check): ConformanceCheck {
  const { name } = check
  if (process.platform !== 'linux') {
    const skipped = `it needs Linux, but this is ${process.platform}`
    return { name, skipped, run: async () => undefined }
  }
  const { skipped, failed } = verdictOn(check, stage.driver, stage.options)
  return {
    name,
    skipped,
    async run() {
      expect(failed === undefined, failed ?? '')
      if (skipped === undefined) await stage.perform(check)
    },
  }
}

/** The state that checks share: a proxy in front of the server, and how a resource is opened. */
class Stage {
  readonly driver: AnyDriver
  readonly options: AnyOptions
  #proxy: Promise<{ proxy?: RecordingProxy; stop: () => Promise<void> }> | undefined
  #opening: Opening | undefined

  constructor(driver: AnyDriver, options: AnyOptions) {
    this.driver = driver
    this.options = options
  }

  async perform(check: Check): Promise<void> {
    if (this.#proxy === undefined) expectOtherProcess(this.options.server)
    const { proxy } = await (this.#proxy ??= startProxy(this.options.server))
    this.#opening ??=
      proxy === undefined
        ? { connections: 0, answers: 0 }
        : await using(this.#rig(proxy), (rig) => rig.rehearse())
    const opening = this.#opening
    await using(this.#rig(proxy), (rig) => check.run(rig, opening))
  }

  async close(): Promise<void> {
    const started = this.#proxy
    this.#proxy = undefined
    await (await started)?.stop()
  }

  #rig(proxy: RecordingProxy | undefined): Rig {
    return new Rig(this.driver, this.options, proxy)
  }
}

async function using<T>(rig: Rig, work: (rig: Rig) => Promise<T>): Promise<T> {
  try {
    return await work(rig)
  } finally {
    await rig.close()
  }
}

/** @throws {AssertionError} if the server runs in this process. */
function expectOtherProcess(target: ProxyTarget | undefined): void {
  expect(
    target === undefined || !listensHere(target),
    'Expected `server` to run in a process of its own, because the suite forks this one; but this process listens there',
  )
}

/** Starts a proxy that listens on TCP or a Unix socket, as the server does. */
async function startProxy(
  target: ProxyTarget | undefined,
): Promise<{ proxy?: RecordingProxy; stop: () => Promise<void> }> {
  if (target === undefined) return { stop: async () => undefined }
  if (!('path' in target)) {
    const proxy = await startRecordingProxy(target)
    return { proxy, stop: () => proxy.stop() }
  }
  // With the same file name, which for some clients contains the port.
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const proxy = await startRecordingProxy(target, { path: join(folder, basename(target.path)) })
  const stop = async (): Promise<void> => {
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { proxy, stop }
}
