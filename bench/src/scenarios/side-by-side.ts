import type { Answer } from '../jobs/answer.ts'
import type { Jobs } from '../jobs/job.ts'
import { pin } from '../measure/pin.ts'
import { shuffled } from '../measure/shuffle.ts'
import { Worker } from '../measure/worker.ts'
import { type Row, rowsOf } from './result.ts'

type Timed = 'lending' | 'queries' | 'sharing' | 'quiet' | 'cold-start' | 'storm' | 'priorities'

export interface SideBySide<N extends Timed> {
  readonly job: N
  readonly peers: readonly string[]
  /** Returns the argument of the worker for these peers. Each peer has its own worker, unless all run `together`. */
  argument(peers: readonly string[]): Jobs[N]['argument']
  readonly together?: boolean
  /** The questions to each peer in each round, by name. `peer` identifies peers that share a worker. */
  readonly questions: ReadonlyMap<string, Jobs[N]['request']>
  /** The warm-up time, for jobs that take one. */
  readonly warmUpMillis?: number
  /** The number of times that every worker is started, because V8 does not compile in the same way each time. */
  readonly launches: number
  /** The number of rounds in each launch. */
  readonly rounds: number
  /** The processor to run the workers on. Default: any. */
  readonly processor?: number
}

/** The answers by question and peer, in the order of the rounds. */
type Measurements = ReadonlyMap<string, Map<string, Answer[]>>

/** The rows by question and peer. */
type Rows = Record<string, Record<string, Row>>

/** Measures all peers. Returns the rows of each question, compared with the peer `base`. */
export async function sideBySide<N extends Timed>({
  base,
  ...plan
}: SideBySide<N> & { readonly base: string }): Promise<Rows> {
  const compare = await measureSideBySide(plan)
  return compare(base)
}

/**
 * Asks one worker at a time: each peer once in a round, in a new order each round. Returns a function that compares the
 * results with one of the peers.
 */
export async function measureSideBySide<N extends Timed>(
  plan: SideBySide<N>,
): Promise<(base: string) => Rows> {
  const skipped = new Map<string, string>()
  const measured: Measurements = new Map(
    [...plan.questions.keys()].map((name) => [name, new Map()]),
  )
  for (let launch = 0; launch < plan.launches; launch++) {
    const workers = new Map<string, Worker<N>>()
    try {
      const order = shuffled(plan.peers)
      for (const peers of plan.together ? [order] : order.map((peer) => [peer])) {
        const worker = await Worker.start(plan.job, plan.argument(peers))
        if (typeof worker !== 'string' && plan.processor !== undefined) {
          pin(worker.pid, plan.processor)
        }
        for (const peer of peers) {
          if (typeof worker === 'string') skipped.set(peer, worker)
          else workers.set(peer, worker)
        }
      }
      await askAll(plan, workers, measured)
      for (const worker of new Set(workers.values())) await worker.finish()
    } finally {
      for (const worker of workers.values()) worker.kill()
    }
  }
  return (base) => {
    const rows = [...measured].map(([name, rounds]): [string, Record<string, Row>] => [
      name,
      rowsOf(rounds, base, skipped, plan.rounds),
    ])
    return Object.fromEntries(rows)
  }
}

async function askAll<N extends Timed>(
  { questions, warmUpMillis, rounds }: SideBySide<N>,
  workers: ReadonlyMap<string, Worker<N>>,
  measured: Measurements,
): Promise<void> {
  for (const [peer, worker] of workers) {
    for (const question of questions.values()) {
      const millis = warmUpMillis === undefined ? {} : { millis: warmUpMillis }
      await worker.ask({ ...question, ...millis, peer, warmUp: true })
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [name, question] of questions) {
      for (const [peer, worker] of shuffled([...workers])) {
        const values = measured.get(name)?.get(peer) ?? []
        values.push(await worker.ask({ ...question, peer }))
        measured.get(name)?.set(peer, values)
      }
    }
  }
}
