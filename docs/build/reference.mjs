// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ReflectionKind } from 'typedoc'

/** @typedef {import('typedoc').DeclarationReflection} Declaration */

/** The headings of the options of pools and their methods, by interface. */
const given = [
  { of: 'BasePoolOptions', title: 'Pools', intro: 'The second argument of `createForkSafePool`.' },
  { of: 'AcquireOptions', title: '`acquire` and `use`', intro: 'Their last argument.' },
  {
    of: 'ShareOptions',
    title: '`share`',
    intro: 'Its last argument, beside the options of `acquire`.',
  },
  { of: 'CloseOptions', title: '`close`', intro: 'Its argument.' },
]
/** The options of a pool, grouped by how often they are needed, and when to change the default. */
const tiers = {
  'Every program': {
    connection: 'always: where to connect to',
    max: '[the server has fewer or more connections to give](clusters.md#how-large-may-max-be)',
    acquireTimeoutMillis: 'your own callers give up earlier',
    maxWaitingClients:
      'what exceeds the capacity should [fail at once](recipes.md) instead of waiting',
    name: 'there is more than one pool',
  },
  'For some networks and loads': {
    min: 'the first callers after an idle time must not wait for a connect',
    idleTimeoutMillis: "[many instances](fleet.md) share the server's connections: less",
    maxLifetimeMillis:
      'something between you and the server ends old connections: less than its limit',
    keepaliveMillis: 'a router forgets idle connections: less than its limit',
    validateAfterIdleMillis:
      'no round trip may be spent: more; no caller may get a dead connection: 0',
    maxConnecting: 'the server can handle more or fewer connects at once',
    createTimeoutMillis: 'a healthy connect takes longer',
    validateTimeoutMillis: 'a healthy round trip takes longer',
    backoff: 'the next attempt should come sooner, or later',
    leakDetectionMillis:
      'connections are not released, and you want to know who [holds them](observing.md)',
  },
  Rarely: {
    destroyTimeoutMillis: 'a polite close takes longer',
    budget: 'several pools, processes or machines [share one limit](budgets.md)',
    maxInFlight: 'callers of `share` may use a connection together',
    sealAfterMillis: 'fast requests should wait behind slower ones, or not even behind these',
    maxUses: 'the session on the server grows with each use',
    eager: '`min` connections should be kept when they are there, but not opened in advance',
    fifo: 'all connections should be used in turn, as for servers behind one address',
    allowExitOnIdle: 'the pool should keep the process alive',
    forkDetection:
      '[you call `afterFork()`](fork-detection.md) after every fork, and need no other check',
  },
}
const givenToDrivers = ['DriverOptions', 'QueryOptions', 'StreamOptions', 'TransactionOptions']

/**
 * Writes the reference of options and errors, from the docstrings in the sources: `generated/options.md` and
 * `generated/errors.md`, which pages include.
 * @param {string} docs
 * @param {import('typedoc').ProjectReflection} project
 */
export async function writeReference(docs, project) {
  const packages = project.children ?? []
  mkdirSync(join(docs, 'generated'), { recursive: true })
  const values = await pooled()
  writeFileSync(join(docs, 'generated/options.md'), options(packages, values))
  writeFileSync(join(docs, 'generated/options-table.md'), table(values))
  writeFileSync(join(docs, 'generated/errors.md'), errors(packages))
}

/** @typedef {{ expected: string, values: string[], shown: string }} Known how core itself interprets an option */

/**
 * Returns the options of a pool, each in its tier.
 * @param {Map<string, Known>} values
 */
function table(values) {
  const left = new Set(values.keys())
  const groups = Object.entries(tiers).map(([title, options]) => {
    const rows = Object.entries(options).map(([option, when]) => {
      const known = values.get(option)
      if (!left.delete(option) && option !== 'connection') {
        throw new Error(`Core has no option ${option}`)
      }
      return `| [\`${option}\`](#${option.toLowerCase()}) | ${known?.shown ?? ''} | ${when} |`
    })
    return [`| ${title} | default | change it when |`, '| --- | --- | --- |', ...rows].join('\n')
  })
  if (left.size > 0) throw new Error(`In no tier: ${[...left].join(', ')}`)
  return `${groups.join('\n\n')}\n`
}

/**
 * @param {Declaration[]} packages
 * @param {Map<string, Known>} values
 */
function options(packages, values) {
  const core = found(packages, '@forksafe/core')
  const ofCore = given.map(({ of, title, intro }) => {
    const ofPool = of === 'BasePoolOptions'
    const own = (found(core.children, of).children ?? []).filter((option) => !option.inheritedFrom)
    const sections = own.map((option) =>
      ofPool ? section(option, { known: values.get(option.name) }) : section(option, { of }),
    )
    return [`## ${title}`, intro, ...sections].join('\n\n')
  })
  const ofDrivers = packages
    .filter(({ name }) => name.startsWith('@forksafe/driver-'))
    .flatMap(({ name, children = [] }) =>
      children
        .filter((child) => givenToDrivers.some((suffix) => child.name.endsWith(suffix)))
        .map((child) =>
          [
            `## ${name}: ${child.name}`,
            text(child),
            ...(child.children ?? []).map((option) => section(option, { of: name + child.name })),
          ].join('\n\n'),
        ),
    )
  return `${[...ofCore, ...ofDrivers].join('\n\n')}\n`
}

/**
 * @param {Declaration} option
 * @param {{ known?: Known | undefined, of?: string }} about how core interprets it; its owner, if several have an option of this
 *   name
 */
function section(option, { known, of }) {
  const said = text(option)
  if (said === '') throw new Error(`The option ${option.name} has no docstring`)
  const inner = (option.type?.type === 'reflection' && option.type.declaration.children) || []
  const parts = inner.map((part) => `- \`${part.name}\`: ${text(part)}`)
  for (const value of known?.values ?? []) {
    const default_ = new RegExp(`Default:? \`?${value}\`?[.:]`)
    if ([said, ...parts].some((line) => default_.test(line))) continue
    throw new Error(`The docstring of ${option.name} should say that its default is ${value}`)
  }
  const fact = known
    ? `Must be ${known.expected}.`
    : `Type: \`${option.type?.toString().replaceAll(/^undefined \| | \| undefined$/g, '')}\`.`
  const list = parts.length > 0 ? [parts.join('\n')] : []
  const id = of === undefined ? '' : ` {#${anchor(`${of}-${option.name}`)}}`
  return [`### ${option.name}${id}`, said, ...list, fact].join('\n\n')
}

/** @param {string} words */
function anchor(words) {
  return words.replaceAll(/\W+/g, '-').replace(/^-/, '').toLowerCase()
}

/**
 * Returns the defaults of a pool, and the requirements of each option, by calling core.
 * @returns {Promise<Map<string, Known>>}
 */
async function pooled() {
  const { parseOptions } = await import('../../packages/core/dist/context/parse-options.js')
  const known = new Map()
  const { connection: _, ...standard } = parseOptions({ name: "the driver's name" }, {})
  for (const [option, value] of Object.entries(standard)) {
    // Without a default there is none to check.
    const parts = typeof value === 'object' ? Object.values(value) : [value].filter(isGiven)
    const values = parts.map(show)
    const shown = option === 'name' ? values.join() : values.map((one) => `\`${one}\``).join(' to ')
    known.set(option, { expected: expectation(parseOptions, option), values, shown })
  }
  return known
}

/**
 * @param {(driver: { name: string }, options: object) => unknown} parseOptions
 * @param {string} option
 */
function expectation(parseOptions, option) {
  try {
    parseOptions({ name: '' }, { [option]: Symbol('none') })
  } catch (error) {
    const [, expected] = /to be (.*), got/.exec(String(error)) ?? []
    if (expected !== undefined) return expected.replaceAll(/\{.*\}|'\w+'/g, '`$&`')
  }
  throw new Error(`Expected core to refuse a symbol for ${option}`)
}

/** @param {unknown} value */
function isGiven(value) {
  return value !== undefined
}

/** @param {unknown} value */
function show(value) {
  return typeof value === 'number' && value < Infinity ? value.toLocaleString('en') : String(value)
}

/** @param {Declaration[]} packages */
function errors(packages) {
  const sections = packages.flatMap(({ name, children = [] }) => {
    const classes = children.filter(
      (child) => child.kindOf(ReflectionKind.Class) && child.name.endsWith('Error'),
    )
    return classes.length === 0
      ? []
      : [`## ${name}`, ...classes.map((error) => ofError(name, error))]
  })
  return `${sections.join('\n\n')}\n`
}

/**
 * @param {string} module
 * @param {Declaration} error
 */
function ofError(module, error) {
  const own = (error.children ?? []).filter(
    (child) =>
      child.kindOf(ReflectionKind.Property) && !child.inheritedFrom && child.name !== 'code',
  )
  const ofCode = error.children?.find(({ name }) => name === 'code')
  const code = ofCode?.type?.toString()
  const facts = own
    .filter((child) => text(child) !== '')
    .map((child) => `- \`${child.name}\`: ${text(child)}`)
  return [
    `### [${error.name}](./api/${module}/classes/${error.name}.md)`,
    ...(code?.startsWith('"') ? [`\`code\`: \`${code.slice(1, -1)}\``] : []),
    ...(ofCode && code?.startsWith('`') ? [`\`code\`: ${text(ofCode)}`] : []),
    text(error),
    ...(facts.length > 0 ? [facts.join('\n')] : []),
  ].join('\n\n')
}

/**
 * @param {Declaration[] | undefined} children
 * @param {string} name
 */
function found(children, name) {
  const child = children?.find((child) => child.name === name)
  if (child === undefined) throw new Error(`Expected the sources to export ${name}`)
  return child
}

/** @param {Declaration} reflection */
function text({ comment }) {
  const parts = comment?.summary ?? []
  return parts
    .map((part) => (part.kind === 'inline-tag' ? `\`${part.text}\`` : part.text))
    .join('')
    .replaceAll(/\s*\n\s*/g, ' ')
}
