import type { Answer } from '../jobs/answer.ts'
import type { Jobs } from '../jobs/job.ts'
import { pin } from '../measure/pin.ts'
import { shuffled } from '../measure/shuffle.ts'
import { Worker } from '../measure/worker.ts'
import { type Row, rowsOf } from './result.ts'

type Timed = 'lending' | 'queries' | 'quiet' | 'cold-start' | 'storm' | 'priorities'

export interface SideBySide<N extends Timed> {
  readonly job: N
  readonly peers: readonly string[]
  /** What the worker of these peers is started with; each has a worker of its own, unless all go `together`. */
  argument(peers: readonly string[]): Jobs[N]['argument']
  readonly together?: boolean
  /** What each peer is asked in each round, by name; peers that are together are told apart by `peer`. */
  readonly questions: ReadonlyMap<string, Jobs[N]['request']>
  /** For a job that warms up for as long as it is told. */
  readonly warmUpMillis?: number
  /** How often every worker is started anew: V8 does not compile the same way each time. */
  readonly launches: number
  /** In each launch. */
  readonly rounds: number
  /** Where the workers run, if not anywhere. */
  readonly processor?: number
}

/** By question, by peer, in the order of the rounds. */
type Measurements = ReadonlyMap<string, Map<string, Answer[]>>

/** By question, by peer. */
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
 * Asks one worker at a time, every peer once in a round, in another order each round. Returns a function that compares what
 * was measured with one of the peers.
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
