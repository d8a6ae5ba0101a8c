// `npm run mutate` breaks these things, one at a time. Each must make a test fail.

/** Replaces `find` in a file; one of the test files `tests` must fail. */
export interface Mutation {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly tests: readonly string[]
}

/** `tests` are names of test files of the package. */
type Mutate = (
  name: string,
  file: string,
  find: string,
  replace: string,
  ...tests: readonly string[]
) => Mutation

const inPackage =
  (folder: string): Mutate =>
  (name, file, find, replace, ...tests) => ({
    name,
    file: `${folder}/src/${file}`,
    find,
    replace,
    tests: tests.map((test) => `${folder}/test/${test}.test.ts`),
  })

const inCore = inPackage('packages/core')
const inDriver = inPackage('packages/driver-pg')

/** Resources in this state are not discarded in the child. Tested on a real server, with a real fork. */
const kept = (state: string): Mutation => ({
  name: `a resource that is ${state} is not discarded`,
  file: 'packages/core/src/stock/stock.ts',
  find: 'const disowned = [...this.entries]\n',
  replace: `const disowned = [...this.entries].filter(({ state }) => state !== '${state}')\n`,
  tests: ['fork-states', 'fork-opening'].map((test) => `packages/driver-pg/test/${test}.test.ts`),
})

export const mutations: readonly Mutation[] = [
  // The ownership rule.
  inCore(
    'a hook that can write runs in any process',
    'stock/hooks.ts',
    '    if (entry.generation.disowned) throw this.staleError(entry)\n',
    '',
    'process-change',
  ),
  inCore(
    'a hook that can write runs without a check of the process',
    'stock/hooks.ts',
    '    this.context.checkProcess()\n    if (entry.generation.disowned) throw',
    '    if (entry.generation.disowned) throw',
    'process-change',
  ),
  inCore(
    'acquire does not check the process',
    'pool.ts',
    '  acquire(options?: AcquireOptions): Promise<Lease<R>> {\n    this.#context.checkProcess()\n',
    '  acquire(options?: AcquireOptions): Promise<Lease<R>> {\n',
    'process-change',
  ),
  inCore(
    'lease.resource does not check the process',
    'lend/lease.ts',
    '  get resource(): R {\n    if (this.#entry !== undefined) this.#desk.context.checkProcess()\n',
    '  get resource(): R {\n',
    'process-change',
  ),
  inCore(
    'lease.active does not check the process',
    'lend/lease.ts',
    '  get active(): boolean {\n    if (this.#entry !== undefined) this.#desk.context.checkProcess()\n',
    '  get active(): boolean {\n',
    'process-change',
  ),

  // Each state.
  ...['idle', 'lent', 'creating', 'validating', 'resetting', 'destroying'].map(kept),
  inCore(
    'a create in flight is not aborted in the child',
    'stock/stock.ts',
    '        for (const entry of disowned) entry.giveUp?.(this.hooks.staleError(entry))\n',
    '',
    'process-change',
  ),
  inCore(
    'an inherited lease does not end',
    'stock/stock.ts',
    "    for (const entry of disowned) entry.state = 'gone'\n",
    '',
    'process-change',
  ),
  inCore(
    'waiting callers go on waiting in the child',
    'lend/lending.ts',
    '    this.#queue.rejectAll(stale)\n',
    '',
    'process-change',
  ),
  inCore(
    'inherited idle resources stay on the idle stack',
    'stock/stock.ts',
    '    this.idle.clear()\n',
    '',
    'process-change',
  ),
  inCore(
    'an inherited resource is destroyed politely',
    'stock/stock.ts',
    'for (const entry of opened) this.#discard(entry)',
    'for (const entry of opened) void this.context.driver.destroy(entry.resource as R)',
    'process-change',
  ),
  inCore(
    'a pool discards before the other pools have disowned',
    'identity/identity.ts',
    '  const discards = watches.map((watch) => watch.disown())\n  for (const discard of discards) discard()\n',
    '  for (const watch of watches) watch.disown()()\n',
    'reentrancy',
  ),
  inCore(
    'a pool discards before it has rejected its waiting callers',
    'lend/lending.ts',
    'const { resources, discard } = this.stock.disown()\n',
    'const { resources, discard: now } = this.stock.disown()\n    now()\n    const discard = () => undefined\n',
    'reentrancy',
  ),
  inCore(
    'a pool discards before it has ended the leases',
    'stock/stock.ts',
    "    for (const entry of disowned) entry.state = 'gone'\n",
    "    for (const entry of disowned) {\n      if (entry.resource !== undefined) this.#discard(entry)\n      entry.state = 'gone'\n    }\n",
    'reentrancy',
  ),
  inDriver(
    'discard says goodbye to the server',
    'driver.ts',
    'socketOf(client)?.destroy()',
    'void client.end()',
    'fork-no-trace',
    'fork-states',
  ),
  inDriver(
    'discard does nothing',
    'driver.ts',
    'socketOf(client)?.destroy()',
    'void client',
    'fork-no-trace',
    'fork-states',
  ),
  inDriver(
    'an aborted connect goes on',
    'driver.ts',
    'openUntilAborted(\n      signal,',
    'openUntilAborted(\n      new AbortController().signal,',
    'fork-opening',
    'conformance',
  ),

  // The sources of identity.
  inCore(
    'the page never changes',
    'identity/sources.ts',
    'changed: () => page[0] === 0,',
    'changed: () => false,',
    'identity-sources',
  ),
  inCore(
    'the pid never changes',
    'identity/sources.ts',
    'changed: () => getpid() !== known,',
    'changed: () => false,',
    'identity-sources',
  ),
  inCore(
    'an unchanged parent pid is trusted even if it is 1',
    'identity/sources.ts',
    'if (now === ppid && now > 1) return false',
    'if (now === ppid) return false',
    'identity-sources',
  ),
  inCore(
    'a new parent counts as a new process',
    'identity/sources.ts',
    'if (livePid() !== pid) return true',
    'return true',
    'identity-sources',
  ),
  inCore(
    'afterFork() does nothing',
    'identity/identity.ts',
    "processIdentity.announce('fork')",
    'void processIdentity',
    'process-change',
  ),
  inCore(
    'afterRestore() does nothing',
    'identity/identity.ts',
    "processIdentity.announce('restore')",
    'void processIdentity',
    'process-change',
  ),
  inCore(
    'a hook reaches only one copy of core',
    'identity/identity.ts',
    'for (const copy of this.#copies) copy.hookCalled(reason)',
    'this.hookCalled(reason)',
    'process-change',
  ),
  inCore(
    'a change that one copy of core has seen does not reach the others',
    'identity/identity.ts',
    "for (const copy of this.#copies) copy.changeSeen('fork')",
    "this.changeSeen('fork')",
    'process-change',
  ),
  inCore(
    "'once' goes on checking",
    'identity/identity.ts',
    "if (this.detection === 'once' && reason !== 'snapshot') this.#source = unchecked",
    '',
    'process-change',
  ),
  inCore(
    "'hooks' checks at each use",
    'identity/identity.ts',
    "this.#source = detection === 'hooks' ? unchecked : source",
    'this.#source = source',
    'process-change',
  ),
  inCore(
    'a snapshot is written with open resources in it',
    'identity/identity.ts',
    '    letGo(this.#watchesNow().filter((watch) => watch.listener.inUse()))\n',
    '',
    'snapshot',
  ),
  inCore(
    'a start from a snapshot is not reported',
    'identity/identity.ts',
    "for (const watch of this.#watchesNow()) watch.tell('snapshot')",
    '',
    'snapshot',
  ),
  inCore(
    'a process that starts from a snapshot keeps the source of the builder',
    'identity/identity.ts',
    '    this.#source = undefined\n    this.#number++\n',
    '    this.#number++\n',
    'snapshot',
  ),
  inCore(
    'a freeze is not noticed',
    'tools/clock.ts',
    'if (late || back || passedByWall - passed > FREEZE_MILLIS) this.leapt(back)',
    '',
    'thaw',
  ),
  inCore(
    'idle resources are trusted after a freeze',
    'lend/lending.ts',
    '    this.stock.idle.distrust()\n',
    '',
    'thaw',
  ),

  // Who holds what.
  inCore(
    'the last caller in a lane is served first',
    'lend/queue.ts',
    'const waiter = this.#turns.first?.waiters.first',
    'const waiter = this.#turns.first?.waiters.last',
    'lending',
  ),
  inCore(
    'high priorities come last',
    'lend/queue.ts',
    'return a.priority < b.priority',
    'return a.priority > b.priority',
    'lending',
  ),
  inCore(
    'a caller that has aborted stays in the queue',
    'lend/lending.ts',
    '      waiter.reject(signal.reason)\n      this.giveUp(waiter)\n',
    '      waiter.reject(signal.reason)\n',
    'lending',
  ),
  inCore(
    'a deadline ends no wait',
    'lend/queue.ts',
    'setImmediate(() => this.#expire())',
    'void 0',
    'lending',
  ),
  inCore(
    'the timer of the queue runs on in the child',
    'lend/lending.ts',
    '    this.#upkeep.stop()\n    this.#queue.stop()\n',
    '    this.#upkeep.stop()\n',
    'process-change',
  ),
  inCore(
    'the timer of the upkeep runs on in the child',
    'lend/lending.ts',
    '    this.#upkeep.stop()\n    this.#queue.stop()\n',
    '    this.#queue.stop()\n',
    'process-change',
  ),
  inCore(
    'a release in the child serves a waiting caller of the parent',
    'lend/lending.ts',
    'if (this.context.clock.look()) this.context.checkProcess()',
    'this.context.clock.look()',
    'process-change',
  ),
  inCore(
    'a reset takes its next step in the child',
    'stock/stock.ts',
    '{ checkProcess: () => void this.hooks.call(entry) }',
    '{ checkProcess: () => undefined }',
    'process-change',
  ),
  inCore(
    'a hook that succeeds in the child counts as a success',
    'stock/hooks.ts',
    '      this.context.checkProcess()\n      settle({',
    '      settle({',
    'process-change',
  ),
  inCore(
    'a hook that times out in the child counts as a failure',
    'stock/hooks.ts',
    '      this.context.checkProcess()\n      if (!settled',
    '      if (!settled',
    'process-change',
  ),
  inCore(
    'the timer of the queue does not check the process',
    'lend/queue.ts',
    '  #expire(): void {\n    this.context.checkProcess()\n',
    '  #expire(): void {\n',
    'process-change',
  ),

  // How many are opened.
  inCore(
    'a resource that is being destroyed does not count towards max',
    'lend/supply.ts',
    'stock.size >= options.max',
    'stock.kept >= options.max',
    'lending',
  ),
  inCore(
    'maxConnecting is no limit',
    'lend/supply.ts',
    ' || stock.creating >= options.maxConnecting',
    '',
    'storms',
  ),
  inCore(
    'callers are refused while maxConnecting delays a create for them',
    'lend/supply.ts',
    'return coming + Math.max(0, this.context.options.max - size)',
    'return coming',
    'storms',
  ),
  inCore(
    'callers count on a create that outlived another caller',
    'lend/lending.ts',
    '    if (waiter.timeoutMillis > 0) this.stock.outlived(this.context.clock.now() - waiter.since)\n',
    '',
    'hung-hooks',
  ),
  inCore(
    'a caller with a timeout of 0 counts as outlived',
    'lend/lending.ts',
    'if (waiter.timeoutMillis > 0) this.stock.outlived(',
    'this.stock.outlived(',
    'hung-hooks',
  ),
  inCore(
    'callers do not count on a create that began late in the wait of another caller',
    'stock/stock.ts',
    '>= waitedMillis / 2) return this.#discount(entry)',
    '>= 0) return this.#discount(entry)',
    'hung-hooks',
  ),
  inCore(
    'one caller that gives up makes up for every create in flight',
    'stock/stock.ts',
    '>= waitedMillis / 2) return this.#discount(entry)',
    '>= waitedMillis / 2) this.#discount(entry)',
    'hung-hooks',
  ),
  inCore(
    'a create that generic-pool delayed begins after recycle',
    'stock/stock.ts',
    '    if (entry.retired !== undefined) aborter.abort(new GivenUp(UNWANTED))\n',
    '',
    'recycle',
  ),
  inCore(
    'a retired resource is lent again after its release',
    'lend/lending.ts',
    '    else if (entry.retired !== undefined) this.stock.end(entry, entry.retired)\n',
    '',
    'retire',
  ),
  inCore(
    'a retired resource is lent after its validation or reset',
    'lend/lending.ts',
    '    if (entry.retired !== undefined) return entry.retired\n',
    '',
    'retire',
  ),
  inCore(
    'a server that retires each new resource is asked for the next without a pause',
    'stock/stock.ts',
    "    this.slowDownIfUnused(entry, new Error('The resource was retired before its first use.'))\n",
    '',
    'retire',
  ),

  // A blocked event loop, and many callers at once.
  inCore(
    'the deadline of a hook ends before the event loop has polled',
    'tools/timers.ts',
    '          immediate = setImmediate(run)\n',
    '          run()\n',
    'blocked-loop',
  ),
  inCore(
    'the deadline of a hook ends after the hook has settled',
    'tools/timers.ts',
    '      clearImmediate(immediate)\n',
    '',
    'blocked-loop',
  ),
  inCore(
    'the deadline of a caller ends before the event loop has polled',
    'lend/queue.ts',
    'setImmediate(() => this.#expire())',
    'this.#expire()',
    'blocked-loop',
  ),
  inCore(
    'a resource that was idle for more than 500 ms is lent before the event loop has polled',
    'stock/stock.ts',
    'new Promise((resolve) => setImmediate(resolve, true))',
    'Promise.resolve(true)',
    'blocked-loop',
  ),
  inCore(
    'a resource that was idle for more than 500 ms is lent at once',
    'stock/idle.ts',
    'const FRESH_MILLIS = 500',
    'const FRESH_MILLIS = Infinity',
    'blocked-loop',
  ),
  inCore(
    'a resource is not validated though the event loop was blocked ever since it became idle',
    'stock/idle.ts',
    'return idleMillis > this.#freshMillis && entry.polls === this.#polls',
    'return false',
    'blocked-loop',
  ),
  inCore(
    'a poll of the event loop counts as a validation',
    'stock/idle.ts',
    "if (entry.test !== 'poll') this.#trust(entry)",
    'this.#trust(entry)',
    'blocked-loop',
  ),
  inCore(
    'many callers are rejected in one turn of the event loop',
    'tools/timers.ts',
    '  setImmediate(inSlices, step)\n',
    '  inSlices(step)\n',
    'storms',
  ),
  inCore(
    'close() settles before the last waiting caller is rejected',
    'lend/lending.ts',
    'if (this.#queue.waiting + this.#queue.rejecting > 0) return',
    'if (this.#queue.waiting > 0) return',
    'storms',
  ),
  inCore(
    'the deadline of close() destroys what is still being opened',
    'lend/lending.ts',
    "      if (entry.state !== 'creating') this.stock.end(entry, 'close')\n",
    "      this.stock.end(entry, 'close')\n",
    'storms',
  ),

  // User code that calls the pool.
  inCore(
    'a hook that close() calls begins a second close',
    'pool.ts',
    `      let follow!: (closed: Promise<void>) => void
      // Set before anything is closed: a hook may call \`close\` again.
      this.#closing = new Promise((resolve) => {
        follow = resolve
      })
      follow(this.#lending.close(options.deadlineMillis ?? CLOSE_DEADLINE_MILLIS))
`,
    '      this.#closing = this.#lending.close(options.deadlineMillis ?? CLOSE_DEADLINE_MILLIS)\n',
    'reentrancy',
  ),
  inCore(
    'a constructor that throws leaves open what the driver’s methods have acquired',
    'pool.ts',
    '      void this.close({ deadlineMillis: 0 })\n',
    '',
    'reentrancy',
  ),

  // Sharing.
  inCore(
    'a shared resource takes any number of requests',
    'lend/sharing.ts',
    'shared.requests.length < shared.limit &&',
    'true &&',
    'sharing',
  ),
  inCore(
    'a request goes behind a sealed one',
    'lend/sharing.ts',
    '      shared.seal === undefined &&\n',
    '',
    'sharing',
  ),
  inCore(
    'a request goes to a resource that drains for a holder',
    'lend/sharing.ts',
    '      !shared.reserved &&\n',
    '',
    'sharing-order',
  ),
  inCore(
    'the last shareable resource is reserved',
    'lend/sharing.ts',
    'if (shared === undefined || (shareable === 1 && max > 1)) return false',
    'if (shared === undefined) return false',
    'sharing-order',
  ),
  inCore(
    'a holder that gives up keeps its reservation',
    'lend/sharing.ts',
    '      if (missing < 0 && this.#reserved > 0) this.#unreserveOne()\n',
    '      if (missing < 0 && this.#reserved > Infinity) this.#unreserveOne()\n',
    'sharing-order',
  ),
  inCore(
    'a request goes behind another one before `max` are open',
    'lend/sharing.ts',
    'if (this.#stock.idle.length > 0 || this.#supply.mayOpen) return false',
    'if (this.#stock.idle.length > 0) return false',
    'sharing',
  ),
  inCore(
    'requests wait for a resource that cannot be opened',
    'lend/sharing.ts',
    'return backoff.failure === undefined ? coming : 0',
    'return coming',
    'sharing',
  ),
  inCore(
    'a resource is lent with what it has not flushed',
    'lend/sharing.ts',
    '    this.#flush(shared)\n    if (entry.state',
    '    if (entry.state',
    'sharing',
  ),
  inCore(
    'a request in flight is forgotten when its resource dies',
    'lend/sharing.ts',
    '    this.#reject(shared, () => error ?? this.#lender.refusal())\n',
    '',
    'sharing-ends',
  ),
  inCore(
    'a request of another process is forgotten',
    'lend/sharing.ts',
    "      this.#reject(shared, () => new StaleResourceError(name, 'the request'))\n",
    '',
    'sharing-ends',
  ),
  inCore(
    'an answer is passed on in another process',
    'lend/sharing.ts',
    '    this.#context.checkProcess()\n    const { key, sent, shared } = request',
    '    const { key, sent, shared } = request',
    'sharing-ends',
  ),
  inCore(
    'an abandoned request gives up its place at once',
    'lend/sharing.ts',
    '    request.reject(reason)\n    this.#expectAnswer(request)',
    '    request.reject(reason)\n    this.#remove(request.shared as Shared<R>, request)',
    'sharing',
  ),
  inCore(
    'a resource whose requests are all abandoned is kept',
    'lend/sharing.ts',
    "      this.#stock.end(entry, 'broken', new Error(message))\n",
    '',
    'sharing',
  ),
  inCore(
    'a slow request is not learned',
    'lend/slow-keys.ts',
    'if (servedMillis <= this.#slowMillis) {',
    'if (servedMillis <= Infinity) {',
    'sharing',
  ),
  inCore(
    'the time behind a slow request counts as slow',
    'lend/slow-keys.ts',
    'now - Math.max(sentAt + this.#roundTrip, freeAt)',
    'now - sentAt - this.#roundTrip',
    'sharing',
  ),
  inCore(
    'the time in a busy event loop counts as slow',
    'lend/slow-keys.ts',
    'servedMillis - this.#loop.busyMillis(now) > this.#slowMillis',
    'servedMillis > this.#slowMillis',
    'sharing',
    'sharing-busy',
  ),
]
