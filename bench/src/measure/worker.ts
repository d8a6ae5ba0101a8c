import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Jobs, Order, Report } from '../jobs/job.ts'

const program = fileURLToPath(new URL('../jobs/main.js', import.meta.url))

/** A process for one job, so that no peer affects how V8 optimizes another. */
export class Worker<N extends keyof Jobs> {
  readonly #process: ChildProcess

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  /** Starts a worker. Returns a string with the reason if this machine cannot run the job. */
  static async start<N extends keyof Jobs>(
    job: N,
    argument: Jobs[N]['argument'],
    execArgv: readonly string[] = [],
  ): Promise<Worker<N> | string> {
    const child = fork(program, [job, JSON.stringify(argument)], { execArgv: [...execArgv] })
    const report = await nextReport(child)
    if (report.kind === 'answer') return new Worker<N>(child)
    child.kill()
    if (report.kind === 'notHere') return report.reason
    throw new Error(`The worker "${job}" did not start: ${report.error}`)
  }

  get pid(): number {
    return this.#process.pid ?? Number.NaN
  }

  /** Ends the worker after a failure. Otherwise it would keep this process alive. */
  kill(): void {
    this.#process.kill()
  }

  async ask(request: Jobs[N]['request']): Promise<Jobs[N]['answer']> {
    return (await this.#order({ kind: 'request', value: request })) as Jobs[N]['answer']
  }

  /** @throws if the worker did not measure what it claims. */
  async finish(): Promise<void> {
    const exited = once(this.#process, 'exit')
    await this.#order({ kind: 'finish' })
    this.kill()
    await exited
  }

  async #order(order: Order): Promise<unknown> {
    const next = nextReport(this.#process)
    this.#process.send(order)
    const report = await next
    if (report.kind === 'answer') return report.value
    this.kill()
    throw new Error(report.kind === 'failed' ? report.error : report.reason)
  }
}

function nextReport(child: ChildProcess): Promise<Report> {
  return new Promise((resolve) => {
    const settle = (report: Report): void => {
      child.off('message', settle as (message: unknown) => void)
      child.off('exit', exited)
      resolve(report)
    }
    const exited = (code: number | null, signal: string | null): void =>
      settle({ kind: 'failed', error: `The worker ended with ${signal ?? code}.` })
    child.on('message', settle as (message: unknown) => void)
    child.on('exit', exited)
  })
}
