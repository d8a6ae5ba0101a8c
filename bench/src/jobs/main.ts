// The program of a worker process: node jobs/main.js <job> <argument as JSON>
import {
  type Job,
  type JobModule,
  type Jobs,
  NotHereError,
  type Order,
  type Report,
} from './job.ts'

type AnyJob = Job<unknown, unknown>

const modules: { readonly [N in keyof Jobs]: () => Promise<JobModule<N>> } = {
  lending: () => import('./lending.ts'),
  queries: () => import('./queries.ts'),
  sharing: () => import('./sharing.ts'),
  quiet: () => import('./quiet.ts'),
  'cold-start': () => import('./cold-start.ts'),
  storm: () => import('./storm.ts'),
  priorities: () => import('./priorities.ts'),
  heap: () => import('./heap.ts'),
  'after-fork': () => import('./after-fork.ts'),
}

function tell(report: Report): void {
  process.send?.(report)
}

/** Runs `work` and reports its outcome to the parent. */
async function report(work: () => Promise<unknown>): Promise<void> {
  try {
    tell({ kind: 'answer', value: await work() })
  } catch (error) {
    if (error instanceof NotHereError) tell({ kind: 'notHere', reason: error.message })
    else tell({ kind: 'failed', error: error instanceof Error ? `${error.stack}` : String(error) })
  }
}

const [, , name, argument = 'null'] = process.argv
let job: AnyJob | undefined

process.on('message', (order: Order) => {
  void report(async () => {
    if (order.kind === 'request') return job?.answer(order.value)
    return job?.finish()
  })
})

await report(async () => {
  const module = (await modules[name as keyof Jobs]()) as JobModule<never>
  job = await module.start(JSON.parse(argument) as never)
})
