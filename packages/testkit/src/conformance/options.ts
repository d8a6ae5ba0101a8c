import type { CreateFailure, Driver } from '@forksafe/core'
import {
  checkOptions,
  isFunction,
  isRecord,
  optional,
  required,
  type Rule,
  show,
  target,
} from '../options.ts'
import type { ProxyTarget } from '../proxy-protocol.ts'

/**
 * What may be missing, where there is a reason.
 *
 * Of a driver its hooks, `ref` with `unref`. Of its protocol `handshake`: opening a resource has the server answer, so that a
 * server can stop half-way; and `goodbye`: a polite end writes something. Of where the suite runs `fork`: a real fork(2).
 */
export type Capability =
  'validate' | 'reset' | 'watch' | 'classify' | 'ref' | 'handshake' | 'goodbye' | 'fork'

/** Where the recording proxy listens, in place of the server. */
export interface ConformanceAddress {
  /** 127.0.0.1. */
  readonly host: string
  /** 0 where there is a `path`. */
  readonly port: number
  /** A Unix socket, where the server's is one. */
  readonly path: string | undefined
}

/** What the suite has to know of a driver's server. */
export interface ConformanceOptions<R extends object, C> {
  /** Names the suite; say `'redis over TLS'`. Default: the driver's name. */
  readonly name?: string | undefined
  /** Where the server listens. The suite puts a recording proxy in front of it. */
  readonly server: ProxyTarget
  /** What the driver's `create` takes, for a connection through the proxy, which listens at `at`. */
  readonly connection: (at: ConformanceAddress) => C
  /**
   * Has the server say `text`: one round trip, which gives its answer as it came. The text is of letters, digits and
   * hyphens, and never the same twice.
   */
  readonly echo: (resource: R, text: string) => Promise<string>
  /** Something that a holder leaves in its session, and that `reset` takes away by asking the server. */
  readonly session?:
    | {
        readonly leave: (resource: R) => Promise<unknown>
        /** Whether it is there. */
        readonly left: (resource: R) => Promise<boolean>
      }
    | undefined
  /** Connections that the server refuses, by what is wrong with them, and what `classify` says of the rejection. */
  readonly failures?:
    | Readonly<
        Record<
          string,
          {
            readonly kind: CreateFailure
            readonly connection: (at: ConformanceAddress) => C
          }
        >
      >
    | undefined
  /**
   * Whether this is how a client says goodbye: all that a polite end wrote before its FIN. Default: anything at all. Over
   * TLS there is no telling: leave it out.
   */
  readonly goodbye?: ((bytes: Buffer) => boolean) | undefined
  /** Has the server end a resource, as its operator would. `watch` is then shown to tell of that too. */
  readonly kill?: ((resource: R) => Promise<unknown>) | undefined
  /** Why a capability is missing. Its checks are shown as skipped with this reason; without one they fail. */
  readonly without?: Readonly<Partial<Record<Capability, string>>> | undefined
  /** How long the suite waits for anything to happen, in milliseconds. Default 10,000; above 0. */
  readonly timeoutMillis?: number | undefined
}

/** A driver and its options, whatever their types. */
export type AnyDriver = Driver<object, unknown, object>
export type AnyOptions = ConformanceOptions<object, unknown> & {
  readonly name: string
  readonly timeoutMillis: number
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''

const capabilities: Readonly<Record<Capability, true>> = {
  validate: true,
  reset: true,
  watch: true,
  classify: true,
  ref: true,
  handshake: true,
  goodbye: true,
  fork: true,
}
const kinds: Readonly<Record<CreateFailure, true>> = {
  transient: true,
  fatal: true,
  full: true,
  single: true,
}

const rules: Readonly<Record<keyof ConformanceOptions<object, unknown>, Rule>> = {
  name: optional('a string of at least one character', isText),
  server: target,
  connection: required('a function of the address of the proxy', isFunction),
  echo: required('a function of a resource and a text', isFunction),
  session: optional('two functions { leave, left }', (value) => {
    return isRecord(value) && isFunction(value['leave']) && isFunction(value['left'])
  }),
  failures: optional(
    `an object that has a { kind, connection } for each failure, the kind one of ${Object.keys(kinds).join(', ')}`,
    (value) => isRecord(value) && Object.values(value).every(isFailure),
  ),
  goodbye: optional('a function of what was written', isFunction),
  kill: optional('a function of a resource', isFunction),
  without: optional(
    `an object that has a reason, in words, for each capability of ${Object.keys(capabilities).join(', ')} that is missing`,
    (value) =>
      isRecord(value) &&
      Object.entries(value).every(
        ([name, reason]) => Object.hasOwn(capabilities, name) && isText(reason),
      ),
  ),
  timeoutMillis: optional(
    'a number above 0',
    (value) => typeof value === 'number' && value > 0 && value < Infinity,
  ),
}

function isFailure(value: unknown): boolean {
  return (
    isRecord(value) &&
    isFunction(value['connection']) &&
    Object.hasOwn(kinds, String(value['kind']))
  )
}

/**
 * Checks what the suite was given, and fills in the defaults.
 * @throws {TypeError} for a driver that is none, and for a wrong, missing or unknown option.
 */
export function parse(
  driver: unknown,
  options: unknown,
): { driver: AnyDriver; options: AnyOptions } {
  const checked = parseDriver(driver)
  const where = `Conformance of driver "${checked.name}"`
  checkOptions(where, options, rules)
  const given = options as ConformanceOptions<object, unknown>
  for (const name of ['validate', 'reset', 'watch', 'classify'] as const) {
    if (given.without?.[name] === undefined || checked[name] === undefined) continue
    throw new TypeError(
      `${where}: expected no reason in \`without.${name}\`, because the driver has one; ` +
        `got ${show(given.without[name])}.`,
    )
  }
  return {
    driver: checked,
    options: { timeoutMillis: 10_000, ...given, name: given.name ?? checked.name } as AnyOptions,
  }
}

function parseDriver(driver: unknown): AnyDriver {
  const shape = isRecord(driver) ? driver : {}
  const lacks = ['create', 'destroy', 'discard'].filter((hook) => !isFunction(shape[hook]))
  if (isText(shape['name']) && lacks.length === 0) return driver as AnyDriver
  throw new TypeError(
    `Expected a driver with \`name\`, \`create\`, \`destroy\` and \`discard\`, got ${
      isRecord(driver)
        ? `one without ${[...(isText(shape['name']) ? [] : ['name']), ...lacks].join(', ')}`
        : show(driver)
    }.`,
  )
}
