import type { Attributes, BatchObservableResult, Meter } from '@opentelemetry/api'
import { livePools, type LivePool, type PoolStats } from '@forksafe/core'
import { errorType, POOL_NAME, STATE } from './attributes.ts'
import { listen } from './listen.ts'

/** Bounds of histograms, in seconds: from a fraction of a millisecond to a timeout. */
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30]

/** Reports the metrics of all pools. Returns a function that ends this. */
export function measurePools(meter: Meter): () => void {
  const ends = [observeStats(meter), countEvents(meter)]
  return () => {
    for (const end of ends) end()
  }
}

/** The numbers of this moment. Pools with the same name are one pool to the conventions: their numbers are added. */
function observeStats(meter: Meter): () => void {
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableUpDownCounter(name, { unit, description })
  const count = gauge(
    'db.client.connection.count',
    '{connection}',
    'The number of connections that are currently in state described by the state attribute.',
  )
  const numbers = [
    {
      instrument: gauge(
        'db.client.connection.idle.max',
        '{connection}',
        'The maximum number of idle open connections allowed.',
      ),
      of: ({ max }: PoolStats) => max,
    },
    {
      instrument: gauge(
        'db.client.connection.idle.min',
        '{connection}',
        'The minimum number of idle open connections allowed.',
      ),
      of: ({ min }: PoolStats) => min,
    },
    {
      instrument: gauge(
        'db.client.connection.max',
        '{connection}',
        'The maximum number of open connections allowed.',
      ),
      of: ({ max }: PoolStats) => max,
    },
    {
      instrument: gauge(
        'db.client.connection.pending_requests',
        '{request}',
        'The number of current pending requests for an open connection.',
      ),
      of: ({ waiting }: PoolStats) => waiting,
    },
    {
      instrument: gauge(
        'forksafe.permits',
        '{permit}',
        'The number of permits that the pool holds of its budget.',
      ),
      of: ({ permits }: PoolStats) => permits,
    },
    {
      instrument: gauge(
        'forksafe.requests.in_flight',
        '{request}',
        'The number of requests that are sent on shared connections and not answered.',
      ),
      of: ({ inFlight }: PoolStats) => inFlight,
    },
  ]
  // The SDK repeats the last value of a pool that is not observed any more, so a pool that has closed is observed with 0.
  const known = new Set<string>()
  const observe = (result: BatchObservableResult): void => {
    const byName = statsByName()
    for (const name of byName.keys()) known.add(name)
    for (const name of known) {
      const all = byName.get(name) ?? []
      const pool: Attributes = { [POOL_NAME]: name }
      const idle = sum(all, (stats) => stats.idle)
      const used = sum(all, usedOf)
      result.observe(count, idle, { ...pool, [STATE]: 'idle' })
      result.observe(count, used, { ...pool, [STATE]: 'used' })
      for (const { instrument, of } of numbers) result.observe(instrument, sum(all, of), pool)
    }
  }
  const observed = [count, ...numbers.map(({ instrument }) => instrument)]
  meter.addBatchObservableCallback(observe, observed)
  return () => meter.removeBatchObservableCallback(observe, observed)
}

/** Everything that is open and cannot be lent at once: borrowed, shared, and being validated or reset. */
function usedOf({ size, idle, creating, destroying }: PoolStats): number {
  return Math.max(0, size - idle - creating - destroying)
}

function sum(all: readonly PoolStats[], of: (stats: PoolStats) => number): number {
  return all.reduce((total, stats) => total + of(stats), 0)
}

/** A pool that this process inherited has noticed so first: no number is of another process. */
function statsByName(): Map<string, PoolStats[]> {
  const byName = new Map<string, PoolStats[]>()
  for (const { name, stats } of livePools() as readonly LivePool[]) {
    const all = byName.get(name)
    if (all === undefined) byName.set(name, [stats])
    else all.push(stats)
  }
  return byName
}

/** What happens from now on. Pools that have closed stay counted. */
function countEvents(meter: Meter): () => void {
  const seconds = (name: string, description: string) =>
    meter.createHistogram(name, {
      unit: 's',
      description,
      advice: { explicitBucketBoundaries: SECONDS },
    })
  const createTime = seconds(
    'db.client.connection.create_time',
    'The time it took to create a new connection.',
  )
  const waitTime = seconds(
    'db.client.connection.wait_time',
    'The time it took to obtain an open connection from the pool.',
  )
  const useTime = seconds(
    'db.client.connection.use_time',
    'The time between borrowing a connection and returning it to the pool.',
  )
  const counter = (name: string, unit: string, description: string) =>
    meter.createCounter(name, { unit, description })
  const timeouts = counter(
    'db.client.connection.timeouts',
    '{timeout}',
    'The number of connection timeouts that have occurred trying to obtain a connection from the pool.',
  )
  const failures = counter(
    'forksafe.create_failures',
    '{failure}',
    'The number of connections that could not be opened.',
  )
  const ends = counter('forksafe.destroys', '{connection}', 'The number of destroyed connections.')
  const discards = counter(
    'forksafe.discards',
    '{connection}',
    'The number of connections that were discarded without a word to the server.',
  )
  const leaks = counter('forksafe.leaks', '{leak}', 'The number of leases held for too long.')
  const changes = counter(
    'forksafe.process_changes',
    '{change}',
    'The number of forks, starts from a snapshot, restores and thaws that pools have noticed.',
  )
  const listeners = [
    listen('forksafe:acquire', ({ pool, durationMillis, error }) => {
      const attributes = attributesOf(pool)
      if (error === undefined) waitTime.record(durationMillis / 1_000, attributes)
      else if (errorType(error) === 'FORKSAFE_ACQUIRE_TIMEOUT') timeouts.add(1, attributes)
    }),
    listen('forksafe:release', ({ pool, heldMillis }) => {
      useTime.record(heldMillis / 1_000, attributesOf(pool))
    }),
    listen('forksafe:create', ({ pool, durationMillis, error }) => {
      if (error === undefined) createTime.record(durationMillis / 1_000, attributesOf(pool))
      else failures.add(1, { ...attributesOf(pool), 'error.type': errorType(error) })
    }),
    listen('forksafe:destroy', ({ pool, reason }) => {
      ends.add(1, { ...attributesOf(pool), 'forksafe.reason': reason })
    }),
    listen('forksafe:discard', ({ pool }) => discards.add(1, attributesOf(pool))),
    listen('forksafe:leak', ({ pool }) => leaks.add(1, attributesOf(pool))),
    listen('forksafe:processChange', ({ pool, reason }) => {
      changes.add(1, { ...attributesOf(pool), 'forksafe.reason': reason })
    }),
  ]
  return () => {
    for (const end of listeners) end()
  }
}

/** The attributes by pool name. Names are as few as metrics can bear. */
const attributes = new Map<string, Attributes>()

function attributesOf(pool: string): Attributes {
  let own = attributes.get(pool)
  if (own === undefined) attributes.set(pool, (own = { [POOL_NAME]: pool }))
  return own
}
