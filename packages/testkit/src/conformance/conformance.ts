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
import { expect, type Opening, Rig } from './rig.ts'

/** One thing that the suite proves of a driver. */
export interface ConformanceCheck {
  /** A sentence, the same for every driver. */
  readonly name: string
  /** Why the driver need not pass it: the reason that the options give, or that it cannot be run here. */
  readonly skipped: string | undefined
  /** Proves it, or rejects with what is wrong. One at a time: all checks share a proxy. */
  readonly run: () => Promise<void>
}

/** The suite for one driver, whoever runs it. */
export interface Conformance extends AsyncDisposable {
  /** The option `name`. */
  readonly name: string
  /** How long a check may take at the most, in milliseconds. */
  readonly timeoutMillis: number
  /** In the order in which they are told best; any will do. */
  readonly checks: readonly ConformanceCheck[]
  /** Ends what the checks share. */
  readonly close: () => Promise<void>
}

/** A check waits for several things, one after the other. */
const WAITS = 6

/**
 * The conformance suite as a list, for a runner other than those that {@link testDriver} knows.
 * @throws {TypeError} for a driver that is none, and for a wrong, missing or unknown option.
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
    ...forkChecks(),
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
    const skipped = `it needs Linux, this is ${process.platform}`
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

/** What the checks share: a proxy in front of the server, and what is known of how a resource is opened. */
class Stage {
  readonly driver: AnyDriver
  readonly options: AnyOptions
  #proxy: Promise<{ proxy: RecordingProxy; stop: () => Promise<void> }> | undefined
  #opening: Opening | undefined

  constructor(driver: AnyDriver, options: AnyOptions) {
    this.driver = driver
    this.options = options
  }

  async perform(check: Check): Promise<void> {
    const { proxy } = await (this.#proxy ??= startProxy(this.options.server))
    this.#opening ??= await using(this.#rig(proxy), (rig) => rig.rehearse())
    const opening = this.#opening
    await using(this.#rig(proxy), (rig) => check.run(rig, opening))
  }

  async close(): Promise<void> {
    const started = this.#proxy
    this.#proxy = undefined
    await (await started)?.stop()
  }

  #rig(proxy: RecordingProxy): Rig {
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

/** A proxy that is reached as the server is. */
async function startProxy(
  target: ProxyTarget,
): Promise<{ proxy: RecordingProxy; stop: () => Promise<void> }> {
  if (!('path' in target)) {
    const proxy = await startRecordingProxy(target)
    return { proxy, stop: () => proxy.stop() }
  }
  // Under the same name: for some clients it says which port is meant.
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const proxy = await startRecordingProxy(target, { path: join(folder, basename(target.path)) })
  const stop = async (): Promise<void> => {
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { proxy, stop }
}
