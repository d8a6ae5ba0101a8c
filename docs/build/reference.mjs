// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ReflectionKind } from 'typedoc'

/** @typedef {import('typedoc').DeclarationReflection} Declaration */

/** What can be given to pools and their methods, by the interface that says it. */
const given = [
  { of: 'BasePoolOptions', title: 'Pools', intro: 'The second argument of `createForkSafePool`.' },
  { of: 'AcquireOptions', title: '`acquire` and `use`', intro: 'Their last argument.' },
  { of: 'CloseOptions', title: '`close`', intro: 'Its argument.' },
]
const givenToDrivers = ['DriverOptions', 'QueryOptions', 'StreamOptions', 'TransactionOptions']

/**
 * Writes what the sources say of options and errors, for the pages that include it: `generated/options.md` and
 * `generated/errors.md`.
 * @param {string} docs
 * @param {import('typedoc').ProjectReflection} project
 */
export async function writeReference(docs, project) {
  const packages = project.children ?? []
  mkdirSync(join(docs, 'generated'), { recursive: true })
  writeFileSync(join(docs, 'generated/options.md'), await options(packages))
  writeFileSync(join(docs, 'generated/errors.md'), errors(packages))
}

/** @param {Declaration[]} packages */
async function options(packages) {
  const values = await pooled()
  const core = found(packages, '@forksafe/core')
  const ofCore = given.map(({ of, title, intro }) => {
    const ofPool = of === 'BasePoolOptions'
    const sections = (found(core.children, of).children ?? []).map((option) =>
      section(option, ofPool ? values.get(option.name) : undefined),
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
            ...(child.children ?? []).map((option) => section(option)),
          ].join('\n\n'),
        ),
    )
  return `${[...ofCore, ...ofDrivers].join('\n\n')}\n`
}

/**
 * @param {Declaration} option
 * @param {{ expected: string, values: string[] }} [known] what core itself makes of it
 */
function section(option, known) {
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
  return [`### ${option.name}`, said, ...list, fact].join('\n\n')
}

/**
 * The defaults of a pool, and what each option must be, by what core does with them.
 * @returns {Promise<Map<string, { expected: string, values: string[] }>>}
 */
async function pooled() {
  const { parseOptions } = await import('../../packages/core/dist/options.js')
  const known = new Map()
  for (const [option, value] of Object.entries(parseOptions("the driver's name", {}))) {
    const values = typeof value === 'object' ? Object.values(value) : [value]
    known.set(option, { expected: expectation(parseOptions, option), values: values.map(show) })
  }
  return known
}

/**
 * @param {(name: string, options: object) => unknown} parseOptions
 * @param {string} option
 */
function expectation(parseOptions, option) {
  try {
    parseOptions('', { [option]: Symbol('none') })
  } catch (error) {
    const [, expected] = /to be (.*), got/.exec(String(error)) ?? []
    if (expected !== undefined) return expected.replaceAll(/\{.*\}|'\w+'/g, '`$&`')
  }
  throw new Error(`Expected core to refuse a symbol for ${option}`)
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
  const code = error.children?.find(({ name }) => name === 'code')?.type?.toString()
  const facts = own
    .filter((child) => text(child) !== '')
    .map((child) => `- \`${child.name}\`: ${text(child)}`)
  return [
    `### [${error.name}](./api/${module}/classes/${error.name}.md)`,
    ...(code?.startsWith('"') ? [`\`code\`: \`${code.slice(1, -1)}\``] : []),
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
