// The table of process changes: a cell for each change and each moment at which it may happen. A test proves a cell by
// `proves({ change: ['moment'] })`. page.ts writes the table, and prove.ts checks that each cell has a passing test.

/** The outcome, or the reason why it is impossible. */
export type Cell = { readonly claim: string } | { readonly never: string }

export interface Column {
  readonly title: string
  /** The short title, for the outline of the page. */
  readonly heading: string
  /** The lines of Node on which the change is impossible, and why. */
  readonly notOn?: Readonly<Record<string, string>>
}

/** The columns. */
export const changes = {
  parent: { title: 'fork: the process that forked', heading: 'Fork: parent' },
  hooked: {
    title: 'fork: a child that calls `afterFork()`',
    heading: 'Fork: child with `afterFork()`',
  },
  unhooked: {
    title: 'fork: a child that calls no hook, at its next use',
    heading: 'Fork: child without a hook',
  },
  snapshot: {
    title: 'start from a startup snapshot',
    heading: 'Startup snapshot',
    notOn: { 20: 'Node 20 cannot load pg while it builds a snapshot' },
  },
  restore: { title: 'restore or VM clone: `afterRestore()`', heading: 'Restore or clone' },
  thaw: { title: 'freeze and thaw', heading: 'Freeze and thaw' },
} satisfies Record<string, Column>
export type Change = keyof typeof changes

/** The rows: what may be in progress when the change happens. */
export const moments = {
  unused: 'the pool has not been used yet',
  idle: 'a connection is idle',
  lent: 'lent, with nothing under way',
  transaction: 'lent, in a transaction',
  query: 'lent, in the middle of a large answer',
  connecting: 'being opened: TCP connect',
  handshake: 'being opened: TLS handshake',
  authenticating: 'being opened: authentication',
  validating: 'being validated',
  resetting: 'being reset',
  destroying: 'being destroyed',
  waiting: 'a caller waits',
  closing: 'the pool is closing',
  timers: 'timers',
  generation: 'the old generation',
  listeners: 'listeners, options, methods',
  next: 'the next acquire',
}
export type Moment = keyof typeof moments

const goesOn = { claim: 'goes on: same session, right answers' }
const discarded = { claim: 'discarded at once' }
const atUse = { claim: 'discarded at the next use of the pool' }
const waitedFor = { claim: 'finishes first: the snapshot is written when nothing is in progress' }

export const cells: Record<Change, Record<Moment, Cell>> = {
  parent: {
    unused: { claim: 'opens connections of its own' },
    idle: { claim: 'stays idle, same session' },
    lent: goesOn,
    transaction: { claim: 'continues: same transaction, commits' },
    query: { claim: 'continues: answered to the last row' },
    connecting: { claim: 'finishes' },
    handshake: { claim: 'finishes' },
    authenticating: { claim: 'finishes' },
    validating: { claim: 'finishes' },
    resetting: { claim: 'finishes' },
    destroying: { claim: 'finishes' },
    waiting: { claim: 'is served' },
    closing: { claim: 'closes' },
    timers: { claim: 'run on' },
    generation: { claim: 'stays' },
    listeners: { claim: 'stay' },
    next: { claim: 'lends what was idle' },
  },
  hooked: {
    unused: { claim: 'opens connections of its own' },
    idle: discarded,
    lent: {
      claim:
        'discarded at once; `lease.resource` throws `StaleResourceError`, release does nothing',
    },
    transaction: { claim: 'discarded at once; does not affect the parent’s' },
    query: discarded,
    connecting: { claim: 'aborted and discarded, never used' },
    handshake: { claim: 'aborted and discarded, never used' },
    authenticating: { claim: 'aborted and discarded, never used' },
    validating: discarded,
    resetting: discarded,
    destroying: { claim: 'discarded at once, without a polite close' },
    waiting: { claim: 'rejects with `StaleResourceError`' },
    closing: { claim: 'settles at once; the remaining resources are discarded' },
    timers: { claim: 'end' },
    generation: { claim: 'collectable, its descriptors closed' },
    listeners: { claim: 'stay' },
    next: { claim: 'opens one connection of its own, without refilling `min` at once' },
  },
  unhooked: {
    unused: { claim: 'opens connections of its own' },
    idle: atUse,
    lent: { claim: 'the same, also at the next use of `lease.resource`' },
    transaction: { claim: 'the same; does not affect the parent’s' },
    query: atUse,
    connecting: atUse,
    handshake: atUse,
    authenticating: atUse,
    validating: atUse,
    resetting: atUse,
    destroying: atUse,
    waiting: { claim: 'rejects at the next use of the pool' },
    closing: { claim: 'settles at the next use of the pool' },
    timers: { claim: 'the first that fires notices, and all end' },
    generation: { claim: 'collectable after the next use' },
    listeners: { claim: 'stay' },
    next: { claim: 'notices, and opens one of its own' },
  },
  snapshot: {
    unused: { claim: 'opens connections of its own' },
    idle: { claim: 'discarded when the snapshot is written' },
    lent: { claim: 'discarded when the snapshot is written; stale after the start' },
    transaction: { claim: 'discarded when the snapshot is written; the server rolls back' },
    query: waitedFor,
    connecting: waitedFor,
    handshake: { never: 'Node cannot write a snapshot once `tls` has been loaded' },
    authenticating: waitedFor,
    validating: waitedFor,
    resetting: waitedFor,
    destroying: waitedFor,
    waiting: { claim: 'is served first: the snapshot is written when no caller waits' },
    closing: { claim: 'closes first; without a deadline, when the snapshot is written' },
    timers: { claim: 'end when the snapshot is written' },
    generation: { claim: 'is not in the snapshot' },
    listeners: { claim: 'stay' },
    next: { claim: 'opens one connection of its own, without refilling `min` at once' },
  },
  restore: {
    unused: { claim: 'opens connections of its own' },
    idle: discarded,
    lent: {
      claim:
        'discarded at once; `lease.resource` throws `StaleResourceError`, release does nothing',
    },
    transaction: discarded,
    query: discarded,
    connecting: { claim: 'aborted and discarded, never used' },
    handshake: { claim: 'aborted and discarded, never used' },
    authenticating: { claim: 'aborted and discarded, never used' },
    validating: discarded,
    resetting: discarded,
    destroying: discarded,
    waiting: { claim: 'rejects with `StaleResourceError`' },
    closing: { claim: 'settles at once; the remaining resources are discarded' },
    timers: { claim: 'end, however far the clocks have jumped' },
    generation: { claim: 'collectable, its descriptors closed' },
    listeners: { claim: 'stay' },
    next: { claim: 'opens one connection of its own, without refilling `min` at once' },
  },
  thaw: {
    unused: { claim: 'opens connections' },
    idle: { claim: 'validated before it is lent; replaced if the server dropped it' },
    lent: { claim: 'stays with its holder; if the server dropped it, its slot is freed' },
    transaction: {
      claim: 'continues, or fails if the server dropped it, and is then never lent again',
    },
    query: { claim: 'continues, or fails if the server dropped it' },
    connecting: { claim: 'continues, or is retried' },
    handshake: { claim: 'continues, or is retried' },
    authenticating: { claim: 'continues, or is retried' },
    validating: { claim: 'continues, or ends as invalid' },
    resetting: { claim: 'continues, or ends because the reset failed' },
    destroying: { claim: 'ends' },
    waiting: { claim: 'is served within its deadline, including the freeze' },
    closing: { claim: 'closes within its deadline, including the freeze' },
    timers: { claim: 'continue; one that fires more than two seconds late reveals the thaw' },
    generation: { claim: 'stays: a thaw is not a change of identity' },
    listeners: { claim: 'stay' },
    next: { claim: 'is answered, without an error' },
  },
}
