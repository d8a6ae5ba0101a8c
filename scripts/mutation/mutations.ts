// `npm run mutate` breaks these things, one at a time. Each must make a test fail.

/** Replaces `find` in a file; some of `tests` must fail. */
export interface Mutation {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly tests: readonly string[]
}

type Mutate = (name: string, file: string, find: string, replace: string) => Mutation

const core = 'packages/core/src/'
const driver = 'packages/driver-pg/src/'

const inCore: Mutate = (name, file, find, replace) => ({
  name,
  file: core + file,
  find,
  replace,
  tests: ['packages/core/test'],
})

const inDriver: Mutate = (name, file, find, replace) => ({
  name,
  file: driver + file,
  find,
  replace,
  tests: ['packages/driver-pg/test'],
})

/** A state whose resources the child would keep. On a real server, under a real fork. */
const kept = (state: string): Mutation => ({
  name: `a resource that is ${state} is not discarded`,
  file: `${core}generation.ts`,
  find: "    for (const entry of this.entries) {\n      entry.state = 'gone'\n",
  replace: `    for (const entry of this.entries) {\n      if (entry.state === '${state}') continue\n      entry.state = 'gone'\n`,
  tests: ['packages/driver-pg/test/fork'],
})

export const mutations: readonly Mutation[] = [
  // The ownership rule.
  inCore(
    'a hook that may write runs in any process',
    'hooks.ts',
    '    if (this.abandoned) throw this.staleError()\n    return run &&',
    '    return run &&',
  ),
  inCore(
    'nobody looks for a change before a hook that may write',
    'hooks.ts',
    '    this.#host.checkProcess()\n    if (this.abandoned) throw this.staleError()\n    return run &&',
    '    if (this.abandoned) throw this.staleError()\n    return run &&',
  ),
  inCore(
    'acquire looks for no change',
    'pool.ts',
    '  acquire(options?: AcquireOptions): Promise<Lease<R>> {\n    this.#watch.check()\n',
    '  acquire(options?: AcquireOptions): Promise<Lease<R>> {\n',
  ),
  inCore(
    'lease.resource looks for no change',
    'lease.ts',
    'if (this.#entry !== undefined) this.#lender.checkProcess()',
    '',
  ),

  // Each state.
  ...['idle', 'lent', 'creating', 'validating', 'resetting', 'destroying'].map(kept),
  inCore(
    'a create in flight is not given up',
    'generation.ts',
    '      entry.giveUp?.(stale)\n',
    '',
  ),
  inCore(
    'a lease is not told that it is stale',
    'generation.ts',
    "      if (entry.lease !== undefined) endLease(entry.lease, 'stale')\n",
    '',
  ),
  inCore('whoever waits goes on waiting', 'lending.ts', '    this.handoff.rejectAll(error)\n', ''),
  inCore('idle resources stay on the stack', 'lending.ts', '    this.handoff.idle.clear()\n', ''),
  inCore(
    'an abandoned resource is destroyed politely',
    'generation.ts',
    'this.#discard(entry.resource)\n        discarded++',
    'void this.#host.driver.destroy(entry.resource)\n        discarded++',
  ),
  inDriver('discard says goodbye', 'driver.ts', 'socketOf(client)?.destroy()', 'void client.end()'),
  inDriver('discard does nothing', 'driver.ts', 'socketOf(client)?.destroy()', 'void client'),
  inDriver(
    'an aborted connect goes on',
    'driver.ts',
    "signal.addEventListener('abort', letGo, { once: true })",
    'void letGo',
  ),

  // The sources of identity.
  inCore(
    'the page never changes',
    'identity-sources.ts',
    'changed: () => page[0] === 0,',
    'changed: () => false,',
  ),
  inCore(
    'the pid never changes',
    'identity-sources.ts',
    'changed: () => getpid() !== known,',
    'changed: () => false,',
  ),
  inCore(
    'the parent’s pid is believed without being confirmed',
    'identity-sources.ts',
    'if (now === ppid && now > 1) return false',
    'if (now === ppid) return false',
  ),
  inCore(
    'another parent is taken for another process',
    'identity-sources.ts',
    'if (livePid() !== pid) return true',
    'return true',
  ),
  inCore(
    'afterFork() tells nobody',
    'identity.ts',
    "processIdentity.announce('fork')",
    'void processIdentity',
  ),
  inCore(
    'afterRestore() tells nobody',
    'identity.ts',
    "processIdentity.announce('restore')",
    'void processIdentity',
  ),
  inCore(
    'only one copy of core hears a hook',
    'identity.ts',
    'for (const copy of this.#copies) copy.hookCalled(reason)',
    'this.hookCalled(reason)',
  ),
  inCore(
    'only one copy of core hears what a use found out',
    'identity.ts',
    "for (const copy of this.#copies) copy.changeSeen('fork')",
    "this.changeSeen('fork')",
  ),
  inCore(
    "'once' goes on looking",
    'identity.ts',
    "if (this.#detection === 'once' && reason !== 'snapshot') this.#checking = false",
    '',
  ),
  inCore(
    "'hooks' looks",
    'identity.ts',
    "this.#checking = detection !== 'hooks'",
    'this.#checking = true',
  ),
  inCore(
    'a snapshot is written with everything in it',
    'identity.ts',
    'for (const watch of this.#watchesNow()) if (watch.inUse()) watch.letGo()',
    '',
  ),
  inCore(
    'a start from a snapshot is told to nobody',
    'identity.ts',
    "for (const watch of this.#watchesNow()) watch.tell('snapshot')",
    '',
  ),
  inCore(
    'the source of whoever wrote the snapshot is used on',
    'identity.ts',
    '    this.#source = undefined\n    this.#number++\n',
    '    this.#number++\n',
  ),
  inCore(
    'a freeze is not noticed',
    'clock.ts',
    'if (late || back || passedByWall - passed > FREEZE_MILLIS) this.#leapt(back)',
    '',
  ),
  inCore(
    'idle resources are trusted after a freeze',
    'lending.ts',
    'for (const entry of this.handoff.idle.members()) entry.trustedAtWall = -Infinity',
    '',
  ),

  // Who holds what.
  inCore(
    'the last to wait is served first',
    'handoff.ts',
    'const waiter = this.#lanes[0]?.waiters.first',
    'const waiter = this.#lanes[0]?.waiters.last',
  ),
  inCore(
    'priorities are turned round',
    'handoff.ts',
    'if (lane.priority > priority) break',
    'if (lane.priority < priority) break',
  ),
  inCore(
    'who has left the queue is served',
    'handoff.ts',
    'lane.waiters.remove(waiter)',
    'void lane',
  ),
  inCore(
    'deadlines end nobody’s wait',
    'handoff.ts',
    'for (const waiter of late) this.#expired(waiter)',
    'void late',
  ),
  inCore(
    'the timer of the queue outlives the queue’s process',
    'lending.ts',
    '    this.#maintenance.stop()\n    this.handoff.stop()',
    '    this.#maintenance.stop()',
  ),
  inCore(
    'a release serves a waiter of the parent in a child',
    'lending.ts',
    'if (this.#clock.look()) this.#host.checkProcess()',
    'this.#clock.look()',
  ),
  inCore(
    'a reset takes its next step in a child',
    'generation.ts',
    '{ checkProcess: () => this.#hooks.call() }',
    '{ checkProcess: () => undefined }',
  ),
  inCore(
    'a hook that succeeds in a child counts as a success',
    'hooks.ts',
    '      this.#host.checkProcess()\n      settle({',
    '      settle({',
  ),
  inCore(
    'a limit that passes in a child counts as a failure',
    'hooks.ts',
    '      this.#host.checkProcess()\n      if (!settled',
    '      if (!settled',
  ),
  inCore(
    'the timer of the queue looks for no change',
    'handoff.ts',
    '    this.stop()\n    this.#checkProcess()\n',
    '    this.stop()\n',
  ),
  inCore(
    'a room that is taken is lent again',
    'stock.ts',
    'if (this.size >= this.#options.max)',
    'if (this.kept >= this.#options.max)',
  ),
]
