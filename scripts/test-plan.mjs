// @ts-check
import { nodes } from './nodes.mjs'

/** On every Node. The scripts are for the one at hand, the site for none. */
const EVERYWHERE = ['core', 'driver-*', 'testkit', 'libraries'].map((name) => `--project=${name}`)
/** Browsers are slow to start, sentinels to decide, and what is broken on one Node is broken on all. */
const ONCE = [
  '--exclude=**/pages.test.ts',
  '--exclude=**/{cluster,sentinel}-failover.test.ts',
  '--exclude=**/broken-*.test.ts',
  '--exclude=**/demo.test.ts',
]
/** What has more to do with the server, or with the drivers' own code, than with Node, and takes long. */
const AT_BOTH_ENDS = [
  '--exclude=**/{conformance,drop-in-like-*,failure-*,fleet,pgbouncer*,rotation,stress}.test.ts',
]
/** The compiler says the same on every Node. */
const NO_TYPES = { FORKSAFE_TYPE_TESTS: 'no' }

/**
 * On which Nodes is tested, and how. The first runs everything; the last of several has the oldest peers, so that both
 * ends of their ranges are tested; every second one has the embedded PostgreSQL, so that both that one and this
 * machine's are, unless one is chosen.
 */
export function plan(all = nodes(), environment = process.env) {
  const ofOne = environment['FORKSAFE_PG_URL'] || environment['FORKSAFE_PG_SOURCE']
  return all.map((node, index) => {
    const first = index === 0
    const last = index === all.length - 1
    const postgres = index % 2 === 1 && !ofOne ? 'embedded' : undefined
    const oldestPeers = last && !first
    const how = [postgres && `${postgres} PostgreSQL`, oldestPeers && 'the oldest peers']
    return {
      ...node,
      title: [`test on Node ${node.name}`, ...how.filter(Boolean)].join(', '),
      chosen: first
        ? []
        : [...EVERYWHERE, ...ONCE, ...(last ? ['--project=examples'] : AT_BOTH_ENDS)],
      types: first ? {} : NO_TYPES,
      postgres,
      oldestPeers,
    }
  })
}
