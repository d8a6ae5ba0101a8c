// @ts-check
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { nodes } from './nodes.mjs'
import { root } from './tools.mjs'

const packages = readdirSync(join(root, 'packages'))
const project = (/** @type {string} */ name) => `--project=${name}`

/**
 * All test runs, in the parts in which the first Node executes them. Core's tests measure its coverage. The tests of the site come
 * last: they need the built site.
 * @type {{ name: string, args: string[] }[]}
 */
const EVERYTHING = [
  { name: 'core', args: [project('core'), '--coverage'] },
  {
    name: 'all but core and the site',
    args: [...packages.filter((name) => name !== 'core'), 'libraries', 'scripts', 'examples'].map(
      project,
    ),
  },
  { name: 'the site', args: [project('docs')] },
]

/** The projects that run on every Node. The scripts run on the current Node only, and the site does not depend on Node. */
const EVERYWHERE = [...packages, 'libraries'].map(project)
/**
 * Slow tests that do not depend on Node: browsers, elections of sentinels and clusters, drivers that are broken on purpose, random
 * sequences of calls.
 */
const ONCE = [
  '--exclude=**/pages.test.ts',
  '--exclude=**/{cluster,sentinel}-failover.test.ts',
  '--exclude=**/broken-*.test.ts',
  '--exclude=**/{demo,model}.test.ts',
]
/**
 * What runs between the first and the last Node, as vitest's filters: core, the testkit and the libraries, and of the drivers what
 * depends on V8, libuv or Node's streams. The rest depends on the server, the client or the driver.
 */
const BETWEEN = [
  'packages/core/test/',
  'packages/testkit/test/',
  'libraries/test/',
  'fork',
  'freeze',
  'restore',
  'snapshot',
  'workers',
  ...['driver', 'abort', 'transaction', 'stream'].map((name) => `test/${name}.test.ts`),
]

/**
 * The test runs, in order. The first Node runs everything. The last of several runs most, and has the oldest peers, so that both ends of
 * their ranges are tested. Every second one has the embedded PostgreSQL, so that both that one and this machine's are
 * tested, unless one is chosen.
 */
export function plan(all = nodes(), environment = process.env) {
  const ofOne = environment['FORKSAFE_PG_URL'] || environment['FORKSAFE_PG_SOURCE']
  return all.map((node, index) => {
    const first = index === 0
    const last = index === all.length - 1
    const postgres = index % 2 === 1 && !ofOne ? 'embedded' : undefined
    const oldestPeers = last && !first
    const how = [postgres && `${postgres} PostgreSQL`, oldestPeers && 'the oldest peers']
    const most = [...EVERYWHERE, ...ONCE, ...(last ? [project('examples')] : BETWEEN)]
    return {
      ...node,
      title: [`test on Node ${node.name}`, ...how.filter(Boolean)].join(', '),
      parts: first ? EVERYTHING : [{ name: '', args: most }],
      postgres,
      oldestPeers,
    }
  })
}

/**
 * Returns a line for each omission of a run over these Nodes, with the reason.
 * @param {string[]} majors
 * @param {string[]} supported
 * @returns {string[]}
 */
export function leftOut(majors, supported) {
  const others = supported.filter((major) => !majors.includes(major))
  const all = 'FORKSAFE_NODES=all, as in .ci/run, includes'
  const lines = []
  if (others.length > 0) {
    lines.push(
      `Node ${others.join(', ')}, and that each process change is proved there: ${all} them`,
    )
  }
  if (majors.length === 1) {
    lines.push(`the oldest peers and the rehearsal of a release: ${all} them`)
  } else {
    const [first, ...rest] = majors
    lines.push(
      `on Node ${rest.join(', ')}: what does not depend on Node (scripts/test-plan.mjs); Node ${first} runs it`,
    )
  }
  return lines
}
