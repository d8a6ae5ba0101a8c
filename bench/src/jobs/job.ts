import type { AfterForkAnswer, AfterForkArgument } from './after-fork.ts'
import type { Answer } from './answer.ts'
import type { ColdStartArgument, ColdStartRequest } from './cold-start.ts'
import type { HeapAnswer, HeapArgument, HeapRequest } from './heap.ts'
import type { LendingArgument, LendingRequest } from './lending.ts'
import type { PrioritiesRequest } from './priorities.ts'
import type { QueriesArgument, QueriesRequest } from './queries.ts'
import type { QuietArgument, QuietRequest } from './quiet.ts'
import type { SharingArgument, SharingRequest } from './sharing.ts'
import type { StormArgument, StormRequest } from './storm.ts'

/** The work of a worker process, which answers one request after another. */
export interface Job<Q, A> {
  answer(request: Q): Promise<A>
  /** Checks the run. Called once, at the end. @throws if the worker did not measure what it claims. */
  finish(): Promise<void>
}

/** All jobs, with the types of their argument, request and answer. */
export interface Jobs {
  lending: { argument: LendingArgument; request: LendingRequest; answer: Answer }
  queries: { argument: QueriesArgument; request: QueriesRequest; answer: Answer }
  sharing: { argument: SharingArgument; request: SharingRequest; answer: Answer }
  quiet: { argument: QuietArgument; request: QuietRequest; answer: Answer }
  'cold-start': { argument: ColdStartArgument; request: ColdStartRequest; answer: Answer }
  storm: { argument: StormArgument; request: StormRequest; answer: Answer }
  priorities: { argument: null; request: PrioritiesRequest; answer: Answer }
  heap: { argument: HeapArgument; request: HeapRequest; answer: HeapAnswer }
  'after-fork': { argument: AfterForkArgument; request: undefined; answer: AfterForkAnswer }
}

/** The exports of a job's module. */
export interface JobModule<N extends keyof Jobs> {
  start(argument: Jobs[N]['argument']): Promise<Job<Jobs[N]['request'], Jobs[N]['answer']>>
}

/** Thrown by `start` if this machine cannot run the job. */
export class NotHereError extends Error {
  override readonly name = 'NotHereError'
}

/** A message from a worker to its parent, about its start, a request or its end. */
export type Report =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'notHere'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: string }

/** A message from a parent to its worker. */
export type Order =
  { readonly kind: 'request'; readonly value: unknown } | { readonly kind: 'finish' }
