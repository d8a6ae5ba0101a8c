import type { AfterForkAnswer, AfterForkArgument } from '../jobs/after-fork.ts'
import { spread, type Spread } from '../measure/statistics.ts'
import { Worker } from '../measure/worker.ts'

/** The times in milliseconds, or the reason why there are none. */
export type AfterForkRow = Record<keyof AfterForkAnswer, Spread> | { readonly skipped: string }

/** The results, by the resources that were idle at the fork. */
export type AfterForkResult = Record<string, AfterForkRow>

export async function measureAfterFork(url: string, quick: boolean): Promise<AfterForkResult> {
  const times = quick ? 1 : 15
  return {
    '10 idle resources': await measureCase({ idle: 10 }, times),
    '10,000 idle resources': await measureCase({ idle: 10_000 }, times),
    '10 idle connections': await measureCase({ idle: 10, url }, times),
  }
}

async function measureCase(argument: AfterForkArgument, times: number): Promise<AfterForkRow> {
  // A process that forks needs these flags.
  const flags = ['--v8-pool-size=1', '--single-threaded']
  const worker = await Worker.start('after-fork', argument, flags)
  if (typeof worker === 'string') return { skipped: worker }
  const answers: AfterForkAnswer[] = []
  // The first fork is not counted, because the parent's code is not compiled yet.
  try {
    for (let time = 0; time <= times; time++) answers.push(await worker.ask(undefined))
    await worker.finish()
  } finally {
    worker.kill()
  }
  const of = (part: keyof AfterForkAnswer): Spread =>
    spread(answers.slice(1).map((answer) => answer[part]))
  return { afterFork: of('afterFork'), firstAnswer: of('firstAnswer'), newPool: of('newPool') }
}
