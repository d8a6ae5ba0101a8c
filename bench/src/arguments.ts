import { parseArgs } from 'node:util'
import { type Part, parts } from './results.ts'

export interface Arguments {
  readonly json: boolean
  readonly check: boolean
  readonly quick: boolean
  readonly parts: readonly Part[]
}

export const usage = `npm run bench -- [part...] [--quick] [--check] [--json]

  part      ${parts.join(', ')}; all of them unless told
  --quick   fewer and shorter rounds
  --check   fail if a target is missed
  --json    end with everything as one line of JSON`

/** @throws {TypeError} for an argument that \`usage\` does not mention. */
export function readArguments(argv: readonly string[]): Arguments | 'help' {
  const { values, positionals } = parseArgs({
    // npm and pnpm forward the `--`.
    args: argv.filter((argument) => argument !== '--'),
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { json, check, quick, help } = values
  if (help) return 'help'
  for (const part of positionals) {
    if (parts.includes(part as Part)) continue
    throw new TypeError(`Expected a part to be one of ${parts.join(', ')}, got ${part}.`)
  }
  const wanted = positionals.length === 0 ? parts : (positionals as Part[])
  return { json, check, quick, parts: wanted }
}
