import type { AfterForkAnswer, AfterForkArgument } from './after-fork.ts'
import type { Answer } from './answer.ts'
import type { ColdStartArgument, ColdStartRequest } from './cold-start.ts'
import type { HeapAnswer, HeapArgument, HeapRequest } from './heap.ts'
import type { LendingArgument, LendingRequest } from './lending.ts'
import type { PrioritiesRequest } from './priorities.ts'
import type { QueriesArgument, QueriesRequest } from './queries.ts'
import type { QuietArgument, QuietRequest } from './quiet.ts'
import type { StormArgument, StormRequest } from './storm.ts'

/** What a worker process does: it answers one request after the other. */
export interface Job<Q, A> {
  answer(request: Q): Promise<A>
  /** Called once, at the end. @throws if what was measured was not what it is called. */
  finish(): Promise<void>
}

/** Every job: what its worker is started with, asked, and answers. */
export interface Jobs {
  lending: { argument: LendingArgument; request: LendingRequest; answer: Answer }
  queries: { argument: QueriesArgument; request: QueriesRequest; answer: Answer }
  quiet: { argument: QuietArgument; request: QuietRequest; answer: Answer }
  'cold-start': { argument: ColdStartArgument; request: ColdStartRequest; answer: Answer }
  storm: { argument: StormArgument; request: StormRequest; answer: Answer }
  priorities: { argument: null; request: PrioritiesRequest; answer: Answer }
  heap: { argument: HeapArgument; request: HeapRequest; answer: HeapAnswer }
  'after-fork': { argument: AfterForkArgument; request: undefined; answer: AfterForkAnswer }
}

/** What the module of a job exports. */
export interface JobModule<N extends keyof Jobs> {
  start(argument: Jobs[N]['argument']): Promise<Job<Jobs[N]['request'], Jobs[N]['answer']>>
}

/** Thrown by `start`: this machine cannot do it. */
export class NotHereError extends Error {
  override readonly name = 'NotHereError'
}

/** What a worker tells its parent: of its start, of a request, of its end. */
export type Report =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'notHere'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: string }

/** What a parent asks of its worker. */
export type Order =
  { readonly kind: 'request'; readonly value: unknown } | { readonly kind: 'finish' }
